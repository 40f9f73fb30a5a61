"""Who may do what, written out by hand: the table in the code has to agree with this one, row by row."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from apps.core.errors import Forbidden, NotAuthenticated, NotFound
from apps.core.principal import Narrowing, Principal, anonymous, system
from apps.orgs.policies import TABLE, Relation, can, namespaces_at_least, require
from apps.orgs.services import membership_remove, membership_set
from apps.repositories.models import Repository
from tests.factories import make_repository, narrowed, personal
from tests.orgs.conftest import Acme

pytestmark = pytest.mark.django_db

# "creator" is a member who made the thing. Things are private unless the row says otherwise.
PRIVATE = """
action               anonymous stranger member creator maintainer owner
namespace.read       yes       yes      yes    yes     yes        yes
member.list          -         -        yes    yes     yes        yes
member.change        -         -        -      -       -          yes
member.remove        -         -        -      -       -          yes
project.read         -         -        yes    yes     yes        yes
project.create       -         -        -      -       -          yes
repository.read      -         -        yes    yes     yes        yes
repository.create    -         -        yes    yes     yes        yes
repository.write     -         -        -      yes     yes        yes
repository.settings  -         -        -      yes     yes        yes
repository.delete    -         -        -      -       -          yes
job.read             -         -        yes    yes     yes        yes
job.create           -         -        yes    yes     yes        yes
job.cancel           -         -        -      yes     yes        yes
usage.read           -         -        yes    yes     yes        yes
webhook.read         -         -        -      -       yes        yes
webhook.create       -         -        -      -       yes        yes
webhook.update       -         -        -      -       yes        yes
webhook.delete       -         -        -      -       yes        yes
"""
# Being public opens reading, and nothing else.
PUBLIC = """
action               anonymous stranger member creator maintainer owner
repository.read      yes       yes      yes    yes     yes        yes
repository.write     -         -        -      yes     yes        yes
repository.settings  -         -        -      yes     yes        yes
repository.delete    -         -        -      -       -          yes
"""
# What is asked about nothing that exists yet.
OF_NOTHING = """
action               anonymous person
organisation.create  -         yes
flavour.list         yes       yes
"""
CHANGES = {
    "organisation.create", "member.change", "member.remove", "project.create", "repository.create", "repository.write",
    "repository.settings", "repository.delete", "job.create", "job.cancel", "webhook.create", "webhook.update", "webhook.delete",
}  # fmt: skip


def rows(table: str) -> list[tuple[str, str, bool]]:
    """(action, who, may he) for every cell."""
    head, *lines = [line.split() for line in table.strip().splitlines()]
    return [(line[0], who, cell == "yes") for line in lines for who, cell in zip(head[1:], line[1:], strict=True)]


SOME = uuid.UUID(int=99)


@dataclass
class Thing:
    """What `can()` looks at."""

    namespace_id: uuid.UUID
    id: uuid.UUID = SOME
    visibility: str = "private"
    created_by_id: uuid.UUID | None = None


def actor_of(acme: Acme, who: str) -> Principal:
    people = {"stranger": "charlie", "member": "bob", "creator": "bob", "maintainer": "carol", "owner": "alice"}
    return anonymous() if who == "anonymous" else acme.who(people[who])


def thing_for(acme: Acme, who: str, visibility: str) -> Thing:
    made_by = acme.bob.id if who == "creator" else acme.alice.id
    return Thing(acme.namespace.id, visibility=visibility, created_by_id=made_by)


def test_every_action_has_a_row_here() -> None:
    written = {action for table in (PRIVATE, OF_NOTHING) for action, _, _ in rows(table)}
    assert set(TABLE) == written
    assert {action for action in TABLE if TABLE[action].mutates} == CHANGES


@pytest.mark.parametrize("table", [PRIVATE, PUBLIC], ids=["private", "public"])
def test_the_truth_table(acme: Acme, table: str) -> None:
    visibility = "public" if table is PUBLIC else "private"
    wrong = [
        (action, who, expected)
        for action, who, expected in rows(table)
        if can(actor_of(acme, who), action, thing_for(acme, who, visibility)) != expected
    ]
    assert wrong == []


def test_what_needs_no_thing(acme: Acme) -> None:
    for action, who, expected in rows(OF_NOTHING):
        actor = anonymous() if who == "anonymous" else acme.who("charlie")
        assert can(actor, action) == expected, (action, who)


def test_a_person_owns_his_namespace_and_nobody_else_has_a_part_in_it(acme: Acme) -> None:
    thing = Thing(personal(acme.bob).id)
    for action, _, _ in rows(PRIVATE):
        assert can(acme.who("bob"), action, thing), action
        for other in ("alice", "charlie"):
            assert can(acme.who(other), action, thing) == (action == "namespace.read"), (action, other)


def test_having_made_it_is_worth_nothing_without_membership(acme: Acme) -> None:
    thing = Thing(acme.namespace.id, created_by_id=acme.charlie.id)
    assert not can(acme.who("charlie"), "repository.write", thing)
    assert not can(acme.who("charlie"), "repository.read", thing)
    assert not can(anonymous(), "repository.write", Thing(acme.namespace.id, created_by_id=None))


def test_a_read_token_of_the_owner_changes_nothing(acme: Acme) -> None:
    reader = replace(acme.who("alice"), can_write=False)
    thing = Thing(acme.namespace.id, created_by_id=acme.alice.id)
    for action in TABLE:
        assert can(reader, action, thing) == (action not in CHANGES), action


def test_a_job_touches_only_the_repositories_that_it_names(acme: Acme) -> None:
    reads, writes, other = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    job = narrowed(acme.alice, read={reads}, write={writes})
    expected = {
        ("repository.read", reads): True, ("repository.read", writes): True, ("repository.read", other): False,
        ("repository.write", reads): False, ("repository.write", writes): True, ("repository.write", other): False,
    }  # fmt: skip
    for (action, target), may in expected.items():
        assert can(job, action, Thing(acme.namespace.id, id=target)) == may, action
        # Public things that the job does not name are as closed as private ones.
        assert can(job, action, Thing(acme.namespace.id, id=target, visibility="public")) == may, action
    for action in TABLE:
        if action not in {"repository.read", "repository.write"}:
            assert not can(job, action, Thing(acme.namespace.id, id=writes)), action
            assert not can(job, action), action


def test_a_job_has_no_more_rights_than_its_person_has_today(acme: Acme) -> None:
    repository = make_repository(acme.namespace, created_by=acme.bob)
    job = narrowed(acme.bob, write={repository.id})
    assert can(job, "repository.write", repository)
    assert list(Repository.objects.visible_to(job)) == [repository]
    membership_remove(actor=system(), namespace=acme.namespace, user=acme.bob)
    late = narrowed(acme.bob, write={repository.id})
    assert not can(late, "repository.write", repository)
    assert not can(late, "repository.read", repository)
    assert list(Repository.objects.visible_to(late)) == []
    stranger = narrowed(acme.charlie, read={repository.id}, write={repository.id})
    assert not can(stranger, "repository.read", repository)
    assert list(Repository.objects.visible_to(stranger)) == []


def test_a_change_of_role_counts_from_the_next_request(acme: Acme) -> None:
    thing = Thing(acme.namespace.id)
    assert not can(acme.who("bob"), "webhook.read", thing)
    membership_set(actor=system(), namespace=acme.namespace, user=acme.bob, role="maintainer")
    assert can(acme.who("bob"), "webhook.read", thing)
    membership_remove(actor=system(), namespace=acme.namespace, user=acme.bob)
    assert not can(acme.who("bob"), "repository.read", thing)


def test_rights_are_loaded_once_a_request(acme: Acme, django_assert_num_queries: Any) -> None:
    actor, owned = acme.who("alice"), {acme.namespace.id, personal(acme.alice).id}
    with django_assert_num_queries(2):
        for _ in range(10):
            can(actor, "repository.read", Thing(acme.namespace.id))
        assert namespaces_at_least(actor, Relation.OWNER) == owned


def test_the_server_itself_may_everything(acme: Acme) -> None:
    assert all(can(system(), action, Thing(acme.namespace.id)) for action in TABLE)


def test_an_action_without_a_row_is_a_defect_and_not_a_right(acme: Acme) -> None:
    with pytest.raises(LookupError):
        can(acme.who("alice"), "repository.burn", Thing(acme.namespace.id))


REFUSALS: list[tuple[str, Callable[[Acme], Principal], str, str | None, type[Exception], str]] = [
    ("who may not see it", lambda acme: acme.who("charlie"), "repository.write", "repository.read", NotFound, "not_found"),
    ("the anonymous neither", lambda acme: anonymous(), "repository.write", "repository.read", NotFound, "not_found"),
    ("who sees but may not", lambda acme: acme.who("bob"), "repository.write", "repository.read", Forbidden, "forbidden"),
    ("who could log in", lambda acme: anonymous(), "member.list", "namespace.read", NotAuthenticated, "not_authenticated"),
    (
        "a read token", lambda acme: replace(acme.who("alice"), can_write=False), "repository.write", "repository.read",
        Forbidden, "token_is_read_only",
    ),
    ("a job elsewhere", lambda acme: narrowed(acme.alice), "repository.write", "repository.read", NotFound, "not_found"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("actor", "action", "sees", "error", "code"), [row[1:] for row in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_refusals_tell_only_what_may_be_known(
    acme: Acme, actor: Callable[[Acme], Principal], action: str, sees: str | None, error: type[Exception], code: str
) -> None:
    with pytest.raises(error) as raised:
        require(actor(acme), action, Thing(acme.namespace.id, created_by_id=acme.alice.id), sees=sees)
    assert raised.value.code == code  # type: ignore[attr-defined]


def test_who_may_is_not_stopped(acme: Acme) -> None:
    require(acme.who("alice"), "repository.delete", Thing(acme.namespace.id), sees="repository.read")
    narrow = Narrowing(read=frozenset(), write=frozenset({SOME}))
    require(replace(acme.who("alice"), narrowing=narrow), "repository.write", Thing(acme.namespace.id))
