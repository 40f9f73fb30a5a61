"""Refs that the server moves for a client: commits over HTTP, branches and tags.

A commit without a stated parent is rebuilt on the newest head until its compare-and-swap succeeds, so racing commits all survive.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from django.utils import timezone

from apps.core.errors import Conflict
from apps.core.principal import Principal
from apps.orgs.policies import require
from apps.repositories.exceptions import BadRef, FileTooLarge, RefExists, RevisionNotFound, StaleParent
from apps.repositories.git.paths import check_path, check_ref_name
from apps.repositories.git.pointers import Pointer, parse
from apps.repositories.git.store import ZERO, Store
from apps.repositories.git.trees import (
    AddFile,
    AddLarge,
    Operation,
    RefMoved,
    build_tree,
    move_ref,
    write_commit,
    write_tag,
)
from apps.repositories.models import Repository
from apps.repositories.pushes import RefUpdate, Underway, check_pointers, complete, declare, underway, void
from apps.repositories.services import author_of

MAX_PLAIN_BYTES = 10 * 1024 * 1024
MAX_OPERATIONS = 25_000
RETRIES = 200


@dataclass(frozen=True)
class Committed:
    """`oid` is the branch's head after the request; `changed` is False when the operations changed nothing."""

    oid: str
    changed: bool


def commit_create(
    *,
    actor: Principal,
    repository: Repository,
    branch: str,
    operations: Sequence[Operation],
    summary: str,
    description: str = "",
    parent_commit: str | None = None,
) -> Committed:
    """A commit on a branch.

    Raises BadPath, FileTooLarge, ObjectMissing, StaleParent (a stated parent is not the head), RevisionNotFound (no such branch),
    Forbidden. Nothing is written when it raises.
    """
    require(actor, "repository.write", repository, sees="repository.read")
    adopts = _check(actor, repository, operations)
    store = Store(repository.git_dir)
    ref = f"refs/heads/{branch.removeprefix('refs/heads/')}"
    message = f"{summary.strip() or 'Update'}\n\n{description.strip()}".strip() + "\n"
    name, email = author_of(actor)

    def attempt() -> tuple[str, str]:
        head = store.ref(ref)
        if head is None:
            raise RevisionNotFound(f"Invalid rev id: {branch[:200]}")
        if parent_commit is not None and not head.startswith(parent_commit):
            raise StaleParent()
        tree = build_tree(store, head, operations)
        if tree == store.tree_of(head):
            return head, head
        return head, write_commit(
            store, tree=tree, parents=[head], message=message, author=name, email=email, at=timezone.now()
        )

    return _move(actor, repository, store, ref, attempt, adopts)


def _check(actor: Principal, repository: Repository, operations: Sequence[Operation]) -> set[str]:
    """What the commit adopts: SHA-256s of large files that another repository of the namespace holds."""
    if len(operations) > MAX_OPERATIONS:
        raise FileTooLarge(f"A commit has at most {MAX_OPERATIONS} operations; split it.", code="too_many_operations")
    for operation in operations:
        check_path(operation.path.rstrip("/"))
        if isinstance(operation, AddFile) and len(operation.content) > MAX_PLAIN_BYTES:
            raise FileTooLarge(
                f"{operation.path!r} has {len(operation.content)} bytes; files over 10 MB are uploaded as large files (LFS).",
                path=operation.path[:200],
            )
    return check_pointers(
        actor, repository, {path: pointer for item in operations for path, pointer in _pointer_of(item)}
    )


def _pointer_of(operation: Operation) -> Iterator[tuple[str, Pointer]]:
    """The pointer that an operation writes; a plain file may hold the text of one, and then it is one."""
    if isinstance(operation, AddLarge):
        yield operation.path, operation.pointer
    elif isinstance(operation, AddFile):
        pointer = parse(operation.content)
        if pointer is not None:
            yield operation.path, pointer


def _move(
    actor: Principal,
    repository: Repository,
    store: Store,
    ref: str,
    attempt: Callable[[], tuple[str, str]],
    adopts: Collection[str],
) -> Committed:
    """Intent, compare-and-swap, record; again from the newest head when somebody was faster."""
    for _ in range(RETRIES):
        old, new = attempt()
        if old == new:
            return Committed(old, changed=False)
        try:
            with underway() as push:
                _swap(actor, repository, store, RefUpdate(ref, old, new), push, adopts)
        except RefMoved:
            continue
        return Committed(new, changed=True)
    raise Conflict("Too many commits race for this branch; try again.", code="branch_busy")


def _swap(
    actor: Principal,
    repository: Repository,
    store: Store,
    update: RefUpdate,
    push: Underway,
    adopts: Collection[str] = (),
) -> None:
    """One ref's whole move. Raises RefMoved, and then nothing is recorded."""
    declare(actor, repository, [update], push_id=push.id, adopts=adopts)
    try:
        move_ref(store, update.ref, old=update.old, new=update.new, keep_open=push.lock)
    except RefMoved:
        void(push.id)
        raise
    complete(actor, repository, push.id, moved={update.ref})


def _point(actor: Principal, repository: Repository, store: Store, ref: str, new: str) -> None:
    """Makes (or, with zeros, deletes) a ref. Raises RefExists, RevisionNotFound."""
    old = store.raw_ref(ref)
    if new != ZERO and old != ZERO:
        raise RefExists(f"Reference {ref.split('/', 2)[2]!r} already exists.", ref=ref)
    if new == ZERO and old == ZERO:
        raise RevisionNotFound(f"Reference {ref.split('/', 2)[2]!r} does not exist.")
    try:
        with underway() as push:
            _swap(actor, repository, store, RefUpdate(ref, old, new), push)
    except RefMoved as error:
        raise RefExists(
            f"{ref} was changed by somebody else, or its name collides with another ref.", ref=ref
        ) from error


def branch_create(*, actor: Principal, repository: Repository, branch: str, start: str | None = None) -> None:
    """A branch at a revision (main's head by default). Raises BadRef, RefExists, RevisionNotFound, Forbidden."""
    require(actor, "repository.write", repository, sees="repository.read")
    store = Store(repository.git_dir)
    _point(actor, repository, store, f"refs/heads/{check_ref_name(branch)}", store.resolve(start or "main"))


def branch_delete(*, actor: Principal, repository: Repository, branch: str) -> None:
    """Raises BadRef for main, RevisionNotFound, Forbidden."""
    require(actor, "repository.write", repository, sees="repository.read")
    if branch == "main":
        raise BadRef("The branch main cannot be deleted.", ref=branch)
    _point(actor, repository, Store(repository.git_dir), f"refs/heads/{check_ref_name(branch)}", ZERO)


def tag_create(*, actor: Principal, repository: Repository, tag: str, revision: str, message: str = "") -> None:
    """A tag at a revision, annotated when there is a message. Raises BadRef, RefExists, RevisionNotFound, Forbidden."""
    require(actor, "repository.write", repository, sees="repository.read")
    store = Store(repository.git_dir)
    check_ref_name(tag)
    target = store.resolve(revision)
    if message.strip():
        name, email = author_of(actor)
        target = write_tag(store, name=tag, target=target, message=message, author=name, email=email, at=timezone.now())
    _point(actor, repository, store, f"refs/tags/{tag}", target)


def tag_delete(*, actor: Principal, repository: Repository, tag: str) -> None:
    """Raises BadRef, RevisionNotFound, Forbidden."""
    require(actor, "repository.write", repository, sees="repository.read")
    _point(actor, repository, Store(repository.git_dir), f"refs/tags/{check_ref_name(tag)}", ZERO)
