"""How refs move: an intent is committed, git moves the ref by compare-and-swap, and one change records the push.

Killed between two steps, the reconciler finishes or voids the intent by looking at where the ref stands: no push is lost, and
none is recorded that did not happen.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
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
from apps.repositories.models import IntentState, ObjectPossession, RefUpdateIntent, Repository, StoredObject

log = structlog.get_logger(__name__)
MAIN = "refs/heads/main"
# After so long a push whose refs have not moved is taken for dead.
SETTLED_AFTER = timedelta(minutes=10)
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
class Intents:
    """The committed intents of one push."""

    push_id: uuid.UUID
    rows: list[RefUpdateIntent] = field(default_factory=list)


def check_pointers(actor: Principal, repository: Repository, pointers: dict[str, Pointer]) -> None:
    """Raises ObjectMissing for a pointer (by path) whose bytes the actor cannot have.

    They were uploaded to this repository, or a repository of this namespace that the actor may read holds them. The size must agree.
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


def declare(actor: Principal, repository: Repository, updates: Sequence[RefUpdate]) -> Intents:
    """Step one: the gates are asked, and the intents are committed."""
    gates.push(Push(actor, repository, updates))
    intents = Intents(new_id())
    with transaction.atomic():
        for update in updates:
            intents.rows.append(
                RefUpdateIntent.objects.create(
                    repository=repository,
                    push_id=intents.push_id,
                    ref=update.ref,
                    old=update.old,
                    new=update.new,
                    actor=actor.as_json() | {"address": actor.address, "request_id": actor.request_id},
                )
            )
    return intents


def void(intents: Intents) -> None:
    """The refs did not move; nothing is recorded."""
    RefUpdateIntent.objects.filter(push_id=intents.push_id, state=IntentState.PENDING).update(state=IntentState.VOID)


def complete(actor: Principal, repository: Repository, push_id: uuid.UUID) -> bool:
    """Step three: one change for the whole push. False when it was recorded already."""
    store = Store(repository.git_dir)
    with transaction.atomic():
        # Pushes to one repository are recorded one after the other: the last one writes the facts of the newest head.
        Repository.objects.unscoped(reason="the caller decided").select_for_update(of=("self",)).filter(
            id=repository.id
        ).first()
        rows = list(
            RefUpdateIntent.objects.select_for_update()
            .filter(push_id=push_id, state=IntentState.PENDING)
            .order_by("ref")
        )
        moved = [row for row in rows if _happened(store, row)]
        RefUpdateIntent.objects.filter(id__in=[row.id for row in rows]).update(state=IntentState.VOID)
        if not moved:
            return False
        with change(actor=actor, action="repository.push", namespace_id=repository.namespace_id) as act:
            RefUpdateIntent.objects.filter(id__in=[row.id for row in moved]).update(state=IntentState.DONE)
            _possess_named(store, repository, moved)
            cards.apply_facts(repository, cards.head_facts(store))
            act.target("repository", repository.id, repository.full_name)
            refs = [{"ref": row.ref, "old": row.old, "new": row.new} for row in moved]
            act.note(refs=refs[:20], push_id=str(push_id))
            act.emit(repository=describe(repository), refs=refs, commits=_titles(store, moved))
    return True


def reconcile(*, settled_after: timedelta = SETTLED_AFTER) -> int:
    """Finishes or voids what a crash left pending; returns how many pushes it closed.

    A push whose refs have all moved is recorded at once, whoever was about to do it. One whose refs have not may still be under way,
    here or on another machine, and is voided only when `settled_after` has passed.
    """
    pending = RefUpdateIntent.objects.filter(state=IntentState.PENDING).order_by("created_at")
    pushes: dict[uuid.UUID, list[RefUpdateIntent]] = {}
    for row in pending.select_related("repository__namespace")[:500]:
        pushes.setdefault(row.push_id, []).append(row)
    settled = timezone.now() - settled_after
    closed = 0
    for push_id, rows in pushes.items():
        try:
            closed += _close(rows, settled=rows[0].created_at < settled)
        except Exception:  # one push that cannot be read must not keep the others waiting
            log.exception("push.reconcile_failed", push_id=str(push_id))
    return closed


def _close(rows: Sequence[RefUpdateIntent], *, settled: bool) -> bool:
    repository, push_id = rows[0].repository, rows[0].push_id
    here = repository.git_dir.exists()
    moved = here and all(_happened(Store(repository.git_dir), row) for row in rows)
    if not moved and not settled:
        return False
    recorded = here and complete(_remembered(rows[0].actor), repository, push_id)
    log.info("push.reconciled", push_id=str(push_id), repository=repository.full_name, recorded=recorded)
    if not recorded:
        void(Intents(push_id))
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
    """Whether the ref made this move: it stands there, or went on from there."""
    now = store.raw_ref(row.ref)
    if row.new == ZERO:
        return now == ZERO
    if now == row.new:
        return True
    return now not in {ZERO, row.old} and store.contains(now, row.new)


def _possess_named(store: Store, repository: Repository, rows: Iterable[RefUpdateIntent]) -> None:
    """What commits of this repository name, it holds: the uploader may leave, the files stay."""
    named: set[str] = set()
    for row in rows:
        commit = store.ref(row.ref)
        if commit is not None:
            named |= {entry.lfs.sha256 for entry in store.tree(commit, recursive=True) if entry.lfs}
    missing = named - blobs.possessed(repository, named).keys()
    for stored in StoredObject.objects.filter(namespace_id=repository.namespace_id, sha256__in=missing):
        ObjectPossession.objects.get_or_create(repository=repository, stored=stored)


def _titles(store: Store, rows: Sequence[RefUpdateIntent]) -> list[dict[str, str]]:
    """The newest commits of the moved branches, at most twenty."""
    found: list[dict[str, str]] = []
    for row in rows:
        head = store.ref(row.ref) if row.ref.startswith("refs/heads/") else None
        if head is None:
            continue
        for commit in store.history(head, skip=0, limit=TITLES):
            if commit.oid == row.old or len(found) >= TITLES:
                break
            found.append({"id": commit.oid, "title": commit.title[:200], "author": commit.author})
    return found


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
