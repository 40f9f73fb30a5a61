"""Refs move once for each push, whoever races and wherever it is killed."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.authentication import principal_of
from apps.core.audit import verify_all
from apps.core.ids import new_id
from apps.core.models import OutboxEvent
from apps.repositories import blobs, pushes
from apps.repositories.commits import branch_create, branch_delete, commit_create, tag_create, tag_delete
from apps.repositories.exceptions import BadRef, ObjectMissing, RefExists, RevisionNotFound, StaleParent
from apps.repositories.git.pointers import Pointer
from apps.repositories.git.store import ZERO
from apps.repositories.git.trees import AddFile, AddLarge, RefMoved, build_tree, move_ref, write_commit
from apps.repositories.models import IntentState, RefUpdateIntent
from apps.repositories.pushes import MAIN, RefUpdate, reconcile, underway
from apps.repositories.services import repository_create, repository_settings
from tests.factories import make_user, personal
from tests.hub.conftest import Hub

RACERS, EACH = 10, 10


def declared(hub: Hub, update: RefUpdate) -> uuid.UUID:
    """What a process that died right after its declaration leaves behind."""
    push_id = new_id()
    pushes.declare(hub.actor, hub.repository, [update], push_id=push_id)
    return push_id


def pushed_to(commit: str) -> int:
    events = OutboxEvent.objects.filter(type="repository.push")
    return sum(ref["new"] == commit for event in events for ref in event.payload["refs"])


def prepared(hub: Hub, name: str) -> RefUpdate:
    """A commit that no ref points to yet."""
    head = hub.head
    tree = build_tree(hub.store, head, [AddFile(name, b"x")])
    new = write_commit(
        hub.store, tree=tree, parents=[head], message="m", author="alice", email="a@b", at=timezone.now()
    )
    return RefUpdate(MAIN, head, new)


def test_a_hundred_racing_commits_all_survive(hub: Hub) -> None:
    failures: list[Exception] = []

    def race(racer: int) -> None:
        try:
            for number in range(EACH):
                commit_create(
                    actor=hub.actor,
                    repository=hub.repository,
                    branch="main",
                    operations=[AddFile(f"{racer}/{number}.txt", b"x")],
                    summary=f"{racer} {number}",
                )
        except Exception as error:  # noqa: BLE001  # shown by the main thread
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=race, args=(racer,)) for racer in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    files = [entry.path for entry in hub.store.tree(hub.head, recursive=True) if not entry.is_directory]
    assert len(files) == RACERS * EACH + 1
    assert hub.store.count(hub.head) == RACERS * EACH + 1
    assert OutboxEvent.objects.filter(type="repository.push").count() == RACERS * EACH
    assert not RefUpdateIntent.objects.filter(state=IntentState.PENDING).exists()
    hub.repository.refresh_from_db()
    assert hub.repository.head_sha == hub.head
    assert not [verdict for verdict in verify_all() if verdict.problem]


def test_of_two_commits_on_one_stated_parent_the_second_is_refused(hub: Hub) -> None:
    parent = hub.head
    for name, refused in (("a", False), ("b", True)):
        try:
            commit_create(
                actor=hub.actor,
                repository=hub.repository,
                branch="main",
                operations=[AddFile(name, b"x")],
                summary=name,
                parent_commit=parent,
            )
        except StaleParent:
            assert refused
        else:
            assert not refused


def test_the_same_content_again_makes_no_second_commit(hub: Hub) -> None:
    def again() -> str:
        return commit_create(
            actor=hub.actor, repository=hub.repository, branch="main", operations=[AddFile("a", b"x")], summary="a"
        ).oid

    assert again() == again()


def test_killed_before_the_ref_moves_nothing_is_recorded(hub: Hub) -> None:
    update = prepared(hub, "a")
    with underway() as push:
        pushes.declare(hub.actor, hub.repository, [update], push_id=push.id)
        assert reconcile() == 0, "a push that is under way is left alone"
    assert reconcile() == 1
    assert RefUpdateIntent.objects.get().state == IntentState.VOID
    assert pushed_to(update.new) == 0


def test_killed_after_the_ref_moved_the_push_is_recorded_once_as_the_pushers(hub: Hub) -> None:
    update = prepared(hub, "a")
    push_id = declared(hub, update)
    move_ref(hub.store, MAIN, old=update.old, new=update.new)
    assert [reconcile(), reconcile()] == [1, 0]
    assert pushes.complete(hub.actor, hub.repository, push_id) is False
    assert pushed_to(update.new) == 1
    assert OutboxEvent.objects.get(type="repository.push").payload["actor"]["name"] == "alice"


def test_a_push_that_another_one_followed_is_still_recorded(hub: Hub) -> None:
    first = prepared(hub, "a")
    declared(hub, first)
    move_ref(hub.store, MAIN, old=first.old, new=first.new)
    commit_create(
        actor=hub.actor, repository=hub.repository, branch="main", operations=[AddFile("b", b"x")], summary="b"
    )
    reconcile()
    assert pushed_to(first.new) == 1


def test_of_two_pushes_of_one_commit_that_died_one_is_recorded(hub: Hub) -> None:
    update = prepared(hub, "a")
    for _ in range(2):
        declared(hub, update)
    move_ref(hub.store, MAIN, old=update.old, new=update.new)
    assert reconcile() == 2
    assert pushed_to(update.new) == 1


def test_a_rewind_that_lost_its_race_is_not_recorded(hub: Hub) -> None:
    first = prepared(hub, "a")
    declared(hub, first)
    move_ref(hub.store, MAIN, old=first.old, new=first.new)
    reconcile()
    declared(hub, RefUpdate(MAIN, first.new, first.old))
    commit_create(
        actor=hub.actor, repository=hub.repository, branch="main", operations=[AddFile("b", b"x")], summary="b"
    )
    reconcile()
    assert pushed_to(first.old) == 0


def test_a_push_that_was_overwritten_before_its_record_is_recorded(hub: Hub) -> None:
    first, other = prepared(hub, "a"), prepared(hub, "b")
    declared(hub, first)
    move_ref(hub.store, MAIN, old=first.old, new=first.new)
    declared(hub, RefUpdate(MAIN, first.new, other.new))
    move_ref(hub.store, MAIN, old=first.new, new=other.new)
    assert reconcile() == 2
    assert [pushed_to(first.new), pushed_to(other.new)] == [1, 1]


def test_an_update_that_begins_elsewhere_is_not_even_declared(hub: Hub) -> None:
    update = prepared(hub, "a")
    with pytest.raises(RefMoved):
        declared(hub, RefUpdate(MAIN, update.new, update.old))
    assert not RefUpdateIntent.objects.exists()


def test_one_push_that_cannot_be_read_keeps_no_other_waiting(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = prepared(hub, "a"), prepared(hub, "b")
    declared(hub, RefUpdate("refs/heads/broken", ZERO, broken.new))
    declared(hub, whole)
    move_ref(hub.store, MAIN, old=whole.old, new=whole.new)
    real = pushes._happened

    def fails_on_broken(store: object, row: RefUpdateIntent) -> bool:
        if row.ref == "refs/heads/broken":
            raise LookupError("unreadable")
        return real(store, row)  # type: ignore[arg-type]

    monkeypatch.setattr(pushes, "_happened", fails_on_broken)
    assert reconcile() == 1
    assert pushed_to(whole.new) == 1


def test_branches_and_tags_come_and_go(hub: Hub) -> None:
    arguments = {"actor": hub.actor, "repository": hub.repository}
    branch_create(**arguments, branch="feature/x")
    tag_create(**arguments, tag="v1", revision="main", message="First")
    with pytest.raises(RefExists):
        branch_create(**arguments, branch="feature/x")
    with pytest.raises(RefExists):
        tag_create(**arguments, tag="v1", revision="main")
    assert hub.store.resolve("v1") == hub.store.resolve("feature/x") == hub.head
    branch_delete(**arguments, branch="feature/x")
    tag_delete(**arguments, tag="v1")
    with pytest.raises(RevisionNotFound):
        hub.store.resolve("v1")
    with pytest.raises(BadRef):
        branch_delete(**arguments, branch="main")


@pytest.mark.parametrize(
    "name", ["HEAD", "a..b", "refs/heads/x", "x" * 300, "a b", "-a", "a.lock", "a//b", "ünïcode", "a@{1}", "1" * 40]
)
def test_names_that_confuse_git_are_refused(hub: Hub, name: str) -> None:
    with pytest.raises(BadRef):
        branch_create(actor=hub.actor, repository=hub.repository, branch=name)


CONTENT = b"bytes of a large file"
DIGEST = "d2c5d6b5eb0b6d2d3e7bd1b4d1b6f0cc9c6cb0b4c0d8c7d6f4c3b2a190807060"


def name_large(hub: Hub, repository: object, actor: object, pointer: Pointer) -> None:
    commit_create(
        actor=actor,  # type: ignore[arg-type]
        repository=repository,  # type: ignore[arg-type]
        branch="main",
        operations=[AddLarge("w.bin", pointer)],
        summary="w",
    )


def test_knowing_a_digest_gives_nobody_the_bytes(hub: Hub) -> None:
    pointer = Pointer(DIGEST, len(CONTENT))
    blobs.possess(hub.repository, sha256=DIGEST, size=len(CONTENT))
    bob = make_user("bob")
    elsewhere = repository_create(actor=principal_of(bob), namespace=personal(bob), kind="model", name="mine")
    with pytest.raises(ObjectMissing):
        name_large(hub, elsewhere, principal_of(bob), pointer)
    second = repository_create(actor=hub.actor, namespace=personal(hub.alice), kind="model", name="second")
    name_large(hub, second, hub.actor, pointer)
    with pytest.raises(ObjectMissing):
        name_large(hub, second, hub.actor, Pointer(DIGEST, len(CONTENT) + 1))


def test_settings_change_once(hub: Hub) -> None:
    for _ in range(2):
        repository_settings(actor=hub.actor, repository=hub.repository, visibility="private")
    assert OutboxEvent.objects.filter(type="repository.settings").count() == 1
