"""Commits made by the server: operations applied to a tree, without a work tree, and refs moved by compare-and-swap."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pygit2
from pygit2.enums import FileMode, ObjectType

from apps.repositories.exceptions import BadPath, EntryNotFound
from apps.repositories.git.paths import check_path
from apps.repositories.git.pointers import Pointer, render
from apps.repositories.git.store import ZERO, Store, clean_environment


@dataclass(frozen=True)
class AddFile:
    path: str
    content: bytes


@dataclass(frozen=True)
class AddLarge:
    path: str
    pointer: Pointer


@dataclass(frozen=True)
class DeleteFile:
    path: str


@dataclass(frozen=True)
class DeleteFolder:
    path: str


Operation = AddFile | AddLarge | DeleteFile | DeleteFolder


class RefMoved(Exception):
    """The ref does not stand where it was expected: somebody else was faster."""


def build_tree(store: Store, parent: str | None, operations: Sequence[Operation]) -> str:
    """The tree after the operations, in their order. Raises BadPath, EntryNotFound (deleting what is not there)."""
    root = _Directory(store.git, store.git[parent].peel(pygit2.Tree) if parent else None)
    for operation in operations:
        path = check_path(operation.path.rstrip("/") if isinstance(operation, DeleteFolder) else operation.path)
        match operation:
            case AddFile():
                root.put(path.split("/"), store.git.create_blob(operation.content), path)
            case AddLarge():
                root.put(path.split("/"), store.git.create_blob(render(operation.pointer)), path)
            case DeleteFile():
                root.remove(path.split("/"), path, folder=False)
            case DeleteFolder():
                root.remove(path.split("/"), path, folder=True)
    written = root.write()
    return str(written if written is not None else store.git.TreeBuilder().write())


class _Directory:
    """A directory while it is being changed; unchanged subdirectories are never opened."""

    def __init__(self, git: pygit2.Repository, tree: pygit2.Tree | None) -> None:
        self.git = git
        self.items: dict[str, tuple[pygit2.Oid | _Directory, int]] = {}
        self.names: dict[str, str] = {}
        for item in tree or ():
            name = str(item.name)
            self.items[name] = (item.id, item.filemode)
            self.names[name.casefold()] = name

    def _check_case(self, name: str, path: str) -> None:
        other = self.names.get(name.casefold())
        if other is not None and other != name:
            raise BadPath(f"{path!r} differs from {other!r}, which is there already, only by case.", path=path[:80])

    def _child(self, name: str) -> _Directory | None:
        value, mode = self.items.get(name, (None, 0))
        if isinstance(value, _Directory):
            return value
        if value is None or mode != FileMode.TREE:
            return None
        child = _Directory(self.git, self.git[value].peel(pygit2.Tree))
        self.items[name] = (child, FileMode.TREE)
        return child

    def put(self, parts: list[str], blob: pygit2.Oid, path: str) -> None:
        name, *rest = parts
        self._check_case(name, path)
        existing = self.items.get(name)
        if not rest:
            if existing is not None and existing[1] == FileMode.TREE:
                raise BadPath(f"{path!r} is a directory; delete it first.", path=path[:80])
            mode = existing[1] if existing and existing[1] == FileMode.BLOB_EXECUTABLE else FileMode.BLOB
            self.items[name] = (blob, mode)
            self.names[name.casefold()] = name
            return
        child = self._child(name)
        if child is None:
            if existing is not None:
                raise BadPath(f"{path!r} goes through {name!r}, which is a file.", path=path[:80])
            child = _Directory(self.git, None)
            self.items[name] = (child, FileMode.TREE)
            self.names[name.casefold()] = name
        child.put(rest, blob, path)

    def remove(self, parts: list[str], path: str, *, folder: bool) -> None:
        name, *rest = parts
        existing = self.items.get(name)
        if rest:
            child = self._child(name)
            if child is None:
                raise EntryNotFound(f"Entry not found: {path[:200]}")
            child.remove(rest, path, folder=folder)
            return
        if existing is None or (existing[1] == FileMode.TREE) != folder:
            raise EntryNotFound(f"Entry not found: {path[:200]}")
        del self.items[name]
        self.names.pop(name.casefold(), None)

    def write(self) -> pygit2.Oid | None:
        """The tree's id; None for an empty directory, which git does not keep."""
        builder = self.git.TreeBuilder()
        for name, (value, mode) in self.items.items():
            written = value.write() if isinstance(value, _Directory) else value
            if written is not None:
                builder.insert(name, written, mode)
        return builder.write() if len(builder) else None


def write_commit(
    store: Store, *, tree: str, parents: list[str], message: str, author: str, email: str, at: datetime
) -> str:
    """A commit object; no ref points to it yet."""
    name = re.sub(r"[<>\n\x00]", "", author).strip() or "unknown"
    signature = pygit2.Signature(name, email, int(at.timestamp()), 0)
    clean = message.replace("\x00", "")
    return str(store.git.create_commit(None, signature, signature, clean, tree, parents))


def write_tag(store: Store, *, name: str, target: str, message: str, author: str, email: str, at: datetime) -> str:
    """An annotated tag object; no ref points to it yet."""
    tagger = f"{author} <{email}> {int(at.timestamp())} +0000"
    text = f"object {target}\ntype commit\ntag {name}\ntagger {tagger}\n\n{message.strip()}\n"
    return str(store.git.write(ObjectType.TAG, text.encode()))


def move_ref(store: Store, ref: str, *, old: str, new: str, keep_open: int | None = None) -> None:
    """Compare-and-swap of a full ref name (forty zeros: absent). Raises RefMoved, or OSError when git could not write.

    `keep_open` is a descriptor that git inherits: a lock that must outlive this process as long as the ref may still move.
    """
    done = subprocess.run(
        ["git", "-C", str(store.directory), "update-ref", "--stdin", "-z"],
        input=f"update {ref}\0{new}\0{old}\0".encode() if new != ZERO else f"delete {ref}\0{old}\0".encode(),
        capture_output=True,
        env=clean_environment(),
        pass_fds=() if keep_open is None else (keep_open,),
    )
    if done.returncode == 0:
        return
    said = done.stderr.decode("utf-8", "replace")
    # Held by another writer, made meanwhile, moved meanwhile, or in the way of another name: all else is the machine's fault.
    if re.search(
        r"\.lock': File exists|reference already exists|but expected|unable to resolve|exists; cannot create", said
    ):
        raise RefMoved(said)
    raise OSError(f"git could not move {ref}: {said[:300]}")
