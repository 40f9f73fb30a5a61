"""How refs move: an intent is committed, git moves the ref by compare-and-swap, and one change records the push.

Killed between two steps, the reconciler finishes or voids the intent by looking at where the ref stands: no push is lost, and
none is recorded that did not happen, or twice. It touches only what no living process holds the lock of.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.core import gates
from apps.core.changes import change
from apps.core.ids import new_id
from apps.core.principal import Kind, Principal
from apps.repositories import blobs, cards
from apps.repositories.exceptions import ObjectMissing
from apps.repositories.git.pointers import Pointer
from apps.repositories.git.store import ZERO, Store
from apps.repositories.git.trees import RefMoved
from apps.repositories.models import IntentState, ObjectPossession, RefUpdateIntent, Repository, StoredObject

log = structlog.get_logger(__name__)
MAIN = "refs/heads/main"
TITLES = 20


@dataclass(frozen=True)
class RefUpdate:
    """A ref's move; forty zeros stand for a ref that is made or deleted."""

    ref: str
    old: str
    new: str


@dataclass(frozen=True)
class Push:
    """What the push gate is asked about, before anything moves."""

    actor: Principal
    repository: Repository
    updates: Sequence[RefUpdate]


@dataclass
class Underway:
    """A push that somebody is about: its id, and the descriptor of the lock that he holds meanwhile."""

    id: uuid.UUID
    lock: int


def check_pointers(actor: Principal, repository: Repository, pointers: dict[str, Pointer]) -> set[str]:
    """Raises ObjectMissing for a pointer (by path) whose bytes the actor cannot have.

    They were uploaded to this repository, or a repository of this namespace that the actor may read holds them; the SHA-256s of
    these are returned, for `declare` to adopt. The size must agree.
    """
    wanted = {pointer.sha256 for pointer in pointers.values()}
    have = blobs.possessed(repository, wanted)
    elsewhere = wanted - have.keys()
    if elsewhere:
        readable = Repository.objects.visible_to(actor).filter(namespace_id=repository.namespace_id)
        rows = ObjectPossession.objects.filter(repository__in=readable, stored__sha256__in=elsewhere)
        have |= dict(rows.values_list("stored__sha256", "stored__size").distinct())
    missing = [path for path, pointer in pointers.items() if have.get(pointer.sha256) != pointer.size]
    if missing:
        named = ", ".join(repr(path) for path in sorted(missing)[:5])
        raise ObjectMissing(
            f"The large file behind {named} was never uploaded here (or has another size). "
            "Run 'git lfs push --all origin', or upload it with the client, and push again.",
            paths=sorted(missing)[:20],
        )
    return elsewhere


@contextmanager
def underway() -> Iterator[Underway]:
    """A push that counts as alive while this process lives, or a child that was given the lock's descriptor."""
    push = Underway(new_id(), -1)
    path = _lock_path(push.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    push.lock = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(push.lock, fcntl.LOCK_EX)
        yield push
    finally:
        os.close(push.lock)
        path.unlink(missing_ok=True)


def _lock_path(push_id: uuid.UUID) -> Path:
    return Path(settings.ATRIUM_GIT_ROOT) / "pushes" / push_id.hex


def _alive(push_id: uuid.UUID) -> bool:
    """Whether anybody still holds the push's lock; the kernel drops it with the last process that did."""
    try:
        descriptor = os.open(_lock_path(push_id), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def declare(
    actor: Principal,
    repository: Repository,
    updates: Sequence[RefUpdate],
    *,
    push_id: uuid.UUID,
    adopts: Iterable[str] = (),
) -> None:
    """Step one: the gates are asked, and the intents are committed, with the possession of large files that the push adopts.

    Raises RefMoved when a ref does not stand where its update begins: that an intent exists says that its ref once stood at `old`.
    """
    gates.push(Push(actor, repository, updates))
    store = Store(repository.git_dir)
    with transaction.atomic():
        RefUpdateIntent.objects.bulk_create(
            RefUpdateIntent(
                repository=repository,
                push_id=push_id,
                ref=update.ref,
                old=update.old,
                new=update.new,
                actor=actor.as_json() | {"address": actor.address, "request_id": actor.request_id},
            )
            for update in updates
        )
        adopted = StoredObject.objects.filter(namespace_id=repository.namespace_id, sha256__in=list(adopts))
        ObjectPossession.objects.bulk_create(
            (ObjectPossession(repository=repository, stored=stored) for stored in adopted), ignore_conflicts=True
        )
        for update in updates:
            if store.raw_ref(update.ref) != update.old:
                raise RefMoved(f"{update.ref} was moved by somebody else.")


def complete(
    actor: Principal, repository: Repository, push_id: uuid.UUID, *, moved: Collection[str] | None = None
) -> bool:
    """Step three: one change for the whole push, whose intents are closed. False when nothing moved or it was recorded already.

    `moved` names the refs that git says it moved; without it, that is found out from the refs and from the intents of others.
    """
    store = Store(repository.git_dir)
    with transaction.atomic():
        # Pushes to one repository are recorded one after the other: the last one writes the facts of the newest head.
        # The key stays free, for others who only refer to the repository.
        Repository.objects.unscoped(reason="the caller decided").select_for_update(of=("self",), no_key=True).filter(
            id=repository.id
        ).first()
        rows = list(
            RefUpdateIntent.objects.select_for_update()
            .filter(push_id=push_id, state=IntentState.PENDING)
            .order_by("ref")
        )
        done = [row for row in rows if (row.ref in moved if moved is not None else _happened(store, row))]
        _closed(rows, IntentState.VOID)
        if not done:
            return False
        with change(actor=actor, action="repository.push", namespace_id=repository.namespace_id) as act:
            _closed(done, IntentState.DONE)
            cards.apply_facts(repository, cards.head_facts(store))
            act.target("repository", repository.id, repository.full_name)
            refs = [{"ref": row.ref, "old": row.old, "new": row.new} for row in done]
            act.note(refs=refs, push_id=str(push_id))
            act.emit(repository=describe(repository), refs=refs, commits=_titles(store, done))
    return True


def void(push_id: uuid.UUID) -> None:
    """The refs did not move; nothing is recorded."""
    _closed(RefUpdateIntent.objects.filter(push_id=push_id, state=IntentState.PENDING), IntentState.VOID)


def _closed(rows: Iterable[RefUpdateIntent], state: IntentState) -> None:
    RefUpdateIntent.objects.filter(id__in=[row.id for row in rows]).update(state=state, closed_at=timezone.now())


def reconcile() -> int:
    """Finishes or voids what dead processes left pending; returns how many pushes it closed. What is alive is left alone."""
    pending = RefUpdateIntent.objects.filter(state=IntentState.PENDING).order_by("created_at")
    pushes: dict[uuid.UUID, RefUpdateIntent] = {}
    for row in pending.select_related("repository__namespace")[:500]:
        pushes.setdefault(row.push_id, row)
    closed = 0
    for push_id, row in pushes.items():
        try:
            closed += _close(row)
        except Exception:  # one push that cannot be read must not keep the others waiting
            log.exception("push.reconcile_failed", push_id=str(push_id))
    return closed


def _close(row: RefUpdateIntent) -> bool:
    if _alive(row.push_id):
        return False
    repository = row.repository
    recorded = repository.git_dir.exists() and complete(_remembered(row.actor), repository, row.push_id)
    log.info("push.reconciled", push_id=str(row.push_id), repository=repository.full_name, recorded=recorded)
    if not recorded:
        void(row.push_id)
    _lock_path(row.push_id).unlink(missing_ok=True)
    return True


def describe(repository: Repository) -> dict[str, Any]:
    """A repository as events show it."""
    return {
        "id": repository.hub_id,
        "type": repository.kind,
        "name": repository.full_name,
        "visibility": repository.visibility,
        "head": repository.head_sha,
    }


def _happened(store: Store, row: RefUpdateIntent) -> bool:
    """Whether this push made the move: nobody else made the same one since, and the ref stands there or went on from there."""
    others = RefUpdateIntent.objects.filter(repository=row.repository, ref=row.ref).exclude(id=row.id)
    if others.filter(state=IntentState.DONE, old=row.old, new=row.new, closed_at__gte=row.created_at).exists():
        return False
    return store.raw_ref(row.ref) == row.new or others.filter(old=row.new, created_at__gte=row.created_at).exists()


def _titles(store: Store, rows: Sequence[RefUpdateIntent]) -> list[dict[str, str]]:
    """The newest commits that the branches gained, at most twenty."""
    moved = {row.ref for row in rows}
    known = [row.old for row in rows if row.old != ZERO]
    if any(row.old == ZERO for row in rows):
        known += [commit for ref, commit in store.refs("refs/") if ref not in moved]
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.new != ZERO and row.ref.startswith("refs/heads/") and len(found) < TITLES:
            for commit in store.history(row.new, skip=0, limit=TITLES, without=known):
                found[commit.oid] = {"id": commit.oid, "title": commit.title[:200], "author": commit.author}
    return list(found.values())[:TITLES]


def _remembered(actor: dict[str, Any]) -> Principal:
    """The pusher as the intent remembers him; a push that is finished later is still his."""
    return Principal(
        kind=Kind(actor["type"]) if actor["type"] in set(Kind) else Kind.USER,
        user_id=uuid.UUID(actor["id"]) if actor["id"] else None,
        username=actor["name"],
        token_id=uuid.UUID(actor["token_id"]) if actor.get("token_id") else None,
        address=actor.get("address", ""),
        request_id=actor.get("request_id", ""),
    )
