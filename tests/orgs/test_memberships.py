"""People and organisations come with all that belongs to them; an organisation is never without an owner."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django_scopes import scope

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.core.errors import AtriumError, BadInput, Conflict, Forbidden, NotAuthenticated, NotFound
from apps.core.models import AuditEvent
from apps.core.principal import Principal, anonymous, system
from apps.orgs.models import Membership, Namespace, Project
from apps.orgs.selectors import default_project, members_of, organisations_of, personal_namespace, projects_of
from apps.orgs.services import membership_remove, membership_set, organisation_create, user_create
from tests.factories import make_organisation, make_user, narrowed, personal, role_of
from tests.orgs.conftest import Acme

pytestmark = pytest.mark.django_db


def refused(act: Callable[[], Any]) -> tuple[type[AtriumError], str]:
    with pytest.raises(AtriumError) as raised:
        act()
    return type(raised.value), raised.value.code


def audited(namespace: Namespace, action: str) -> list[dict[str, Any]]:
    with scope(namespace=namespace.id):
        rows = AuditEvent.objects.filter(action=action).order_by("id")
        return [json.loads(bytes(event.body)) for event in rows]


def test_a_person_comes_with_a_namespace_a_project_and_one_event(db: None) -> None:
    user = make_user("Alice")
    namespace = personal(user)
    assert (namespace.name, namespace.name_key, namespace.kind, namespace.is_organisation) == (
        "Alice",
        "alice",
        "user",
        False,
    )
    assert default_project(namespace.id).name == "default"
    (event,) = audited(namespace, "user.create")
    assert event["targets"] == [{"type": "user", "id": str(user.id), "name": "Alice"}]


@pytest.mark.parametrize("name", ["alice", "ALICE", "acme", "Acme"])
def test_a_name_is_taken_once_by_people_and_organisations_together(acme: Acme, name: str) -> None:
    assert refused(lambda: make_user(name)) == (Conflict, "name_taken")
    assert refused(lambda: make_organisation(name, owner=acme.alice)) == (Conflict, "name_taken")
    assert Namespace.objects.count() == 5


@pytest.mark.parametrize(
    ("name", "code"), [("api", "name_reserved"), ("Admin", "name_reserved"), ("a b", "bad_name"), ("", "bad_name")]
)
def test_a_name_must_be_one(acme: Acme, name: str, code: str) -> None:
    assert refused(lambda: make_user(name)) == (BadInput, code)
    assert refused(lambda: make_organisation(name, owner=acme.alice)) == (BadInput, code)
    assert User.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_who_want_one_name_at_once_do_not_both_get_it() -> None:
    outcomes = at_once(
        lambda: user_create(actor=system(), username="alice", email="", password=None) and "made", times=4
    )
    assert sorted(outcomes) == ["made", "name_taken", "name_taken", "name_taken"]
    assert User.objects.count() == Namespace.objects.count() == Project.objects.count() == 1


def at_once(*acts: Callable[[], Any], times: int = 1) -> list[str]:
    """Runs the acts at the same moment, each on a connection of its own; what each returned, or the code of its error."""
    outcomes: list[str] = []
    ready = threading.Barrier(len(acts) * times)

    def run(act: Callable[[], Any]) -> None:
        try:
            ready.wait(20)
            outcomes.append(str(act()))
        except AtriumError as error:
            outcomes.append(error.code)
        except Exception as error:  # noqa: BLE001  (the outcome shows what it was)
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcomes


def test_who_makes_an_organisation_owns_it(acme: Acme) -> None:
    made = organisation_create(
        actor=acme.who("charlie"), owner=acme.charlie, name="Other", full_name="Other Ltd", default_visibility="private"
    )
    assert (made.name, made.full_name, made.default_visibility, made.is_organisation) == (
        "Other",
        "Other Ltd",
        "private",
        True,
    )
    assert role_of(acme.charlie, made) == "owner"
    assert default_project(made.id).is_default
    (event,) = audited(made, "organisation.create")
    assert event["actor"]["name"] == "charlie"


def test_an_organisation_is_made_by_a_person_who_may_write(acme: Acme) -> None:
    for actor, error in (
        (anonymous(), NotAuthenticated),
        (replace(acme.who("alice"), can_write=False), Forbidden),
        (narrowed(acme.alice), Forbidden),
    ):
        assert refused(lambda actor=actor: organisation_create(actor=actor, owner=acme.alice, name="other"))[0] is error
    assert refused(
        lambda: organisation_create(
            actor=acme.who("alice"), owner=acme.alice, name="other", default_visibility="hidden"
        )
    ) == (BadInput, "bad_visibility")


def test_roles_are_given_changed_and_taken_by_owners_and_audited(acme: Acme) -> None:
    alice = acme.who("alice")
    membership_set(actor=alice, namespace=acme.namespace, user=acme.charlie, role="member")
    membership_set(actor=alice, namespace=acme.namespace, user=acme.charlie, role="owner")
    membership_set(actor=alice, namespace=acme.namespace, user=acme.charlie, role="owner")
    membership_remove(actor=alice, namespace=acme.namespace, user=acme.charlie)
    membership_remove(actor=alice, namespace=acme.namespace, user=acme.charlie)
    set_, removed = audited(acme.namespace, "member.set")[-2:], audited(acme.namespace, "member.remove")
    assert [event["metadata"] for event in set_] == [{"role": "member"}, {"role": "owner", "previous_role": "member"}]
    assert [(event["targets"][0]["name"], event["metadata"]) for event in removed] == [("charlie", {"role": "owner"})]


@pytest.mark.parametrize("who", ["bob", "carol"])
def test_nobody_but_owners_changes_members(acme: Acme, who: str) -> None:
    actor = acme.who(who)
    for user in (acme.charlie, acme.bob, acme.carol, acme.alice):
        assert refused(
            lambda user=user: membership_set(actor=actor, namespace=acme.namespace, user=user, role="owner")
        ) == (Forbidden, "forbidden")
    assert refused(lambda: membership_remove(actor=actor, namespace=acme.namespace, user=acme.alice))[0] is Forbidden
    assert role_of(getattr(acme, who), acme.namespace) in {"member", "maintainer"}


def test_the_last_owner_is_neither_demoted_nor_gone(acme: Acme) -> None:
    alice = acme.who("alice")
    for act in (
        lambda: membership_set(actor=alice, namespace=acme.namespace, user=acme.alice, role="member"),
        lambda: membership_remove(actor=alice, namespace=acme.namespace, user=acme.alice),
        lambda: membership_remove(actor=system(), namespace=acme.namespace, user=acme.alice),
    ):
        assert refused(act) == (Conflict, "last_owner")
    membership_set(actor=alice, namespace=acme.namespace, user=acme.carol, role="owner")
    membership_remove(actor=alice, namespace=acme.namespace, user=acme.alice)
    assert role_of(acme.alice, acme.namespace) is None
    assert refused(lambda: membership_remove(actor=acme.who("carol"), namespace=acme.namespace, user=acme.carol)) == (
        Conflict,
        "last_owner",
    )


def test_a_member_leaves_by_himself_but_not_by_a_token_that_may_not(acme: Acme) -> None:
    for actor in (replace(acme.who("bob"), can_write=False), narrowed(acme.bob)):
        with pytest.raises((Forbidden, NotFound)):
            membership_remove(actor=actor, namespace=acme.namespace, user=acme.bob)
    membership_remove(actor=acme.who("bob"), namespace=acme.namespace, user=acme.bob)
    assert role_of(acme.bob, acme.namespace) is None


def test_a_personal_namespace_has_no_members(acme: Acme) -> None:
    own = personal(acme.alice)
    assert refused(lambda: membership_set(actor=acme.who("alice"), namespace=own, user=acme.bob, role="member")) == (
        BadInput,
        "not_an_organisation",
    )


def test_there_are_three_roles(acme: Acme) -> None:
    for role in ("admin", "", "OWNER"):
        assert refused(
            lambda role=role: membership_set(
                actor=acme.who("alice"), namespace=acme.namespace, user=acme.bob, role=role
            )
        ) == (BadInput, "bad_role")


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_demote_each_other_leave_one() -> None:
    alice, carol = make_user("alice"), make_user("carol")
    namespace = make_organisation("acme", owner=alice)
    membership_set(actor=system(), namespace=namespace, user=carol, role="owner")

    def demote(by: User, whom: User) -> Callable[[], str]:
        actor: Principal = principal_of(by)
        return lambda: membership_set(actor=actor, namespace=namespace, user=whom, role="member").role

    outcomes = at_once(demote(alice, carol), demote(carol, alice))
    assert Membership.objects.filter(namespace=namespace, role="owner").count() == 1
    assert "member" in outcomes and set(outcomes) <= {"member", "last_owner", "forbidden"}


@pytest.mark.django_db(transaction=True)
def test_one_who_is_added_twice_at_once_is_a_member_once() -> None:
    alice, bob = make_user("alice"), make_user("bob")
    namespace = make_organisation("acme", owner=alice)
    add = lambda: membership_set(actor=principal_of(alice), namespace=namespace, user=bob, role="member").role  # noqa: E731
    assert at_once(add, times=4) == ["member"] * 4
    assert len(audited(namespace, "member.set")) == 1


def test_who_may_look_at_members_and_projects(acme: Acme) -> None:
    for name in ("alice", "bob", "carol"):
        assert {row.user.username for row in members_of(acme.who(name), acme.namespace)} == {"alice", "bob", "carol"}
        assert [project.name for project in projects_of(acme.who(name), acme.namespace)] == ["default"]
    for look in (members_of, projects_of):
        assert refused(lambda look=look: look(acme.who("charlie"), acme.namespace))[0] is Forbidden
        assert refused(lambda look=look: look(anonymous(), acme.namespace))[0] is NotAuthenticated
        assert refused(lambda look=look: look(narrowed(acme.alice), acme.namespace))[0] is NotFound


def test_a_person_finds_his_own(acme: Acme) -> None:
    assert [(row.namespace.name, row.role) for row in organisations_of(acme.who("carol"))] == [("acme", "maintainer")]
    assert list(organisations_of(acme.who("charlie"))) == []
    assert personal_namespace(acme.who("bob")).name == "bob"
    with pytest.raises((NotFound, NotAuthenticated)):
        personal_namespace(anonymous())
