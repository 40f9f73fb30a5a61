"""A bare repository for reading: revisions, trees, blobs, refs and history."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import pygit2
from pygit2.enums import ObjectType, SortMode

from apps.repositories.exceptions import EntryNotFound, RevisionNotFound
from apps.repositories.git.pointers import MAX_POINTER, Pointer, parse

ZERO = "0" * 40
LAST_MOMENT = 253_402_300_799  # 9999-12-31T23:59:59Z
HOOKS = Path(__file__).parent / "hooks"
# Beyond this, paths would not fit into a command line, and the whole history is read instead.
MAX_ARGUMENTS = 64 * 1024


@dataclass(frozen=True)
class Entry:
    """A file or directory of a tree. `size` is that of the large file where the blob is a pointer."""

    path: str
    oid: str
    is_directory: bool
    size: int = 0
    lfs: Pointer | None = None
    pointer_size: int = 0


@dataclass(frozen=True)
class CommitInfo:
    oid: str
    title: str
    message: str
    author: str
    date: datetime


def clean_environment() -> dict[str, str]:
    """What git is run with: nothing of ours but the path; our directories are trusted, whoever owns their files in a container."""
    trusted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "GIT_LITERAL_PATHSPECS": "1",
        **trusted,
    }


def _text(raw: bytes) -> str:
    return raw.replace(b"\x00", b"").decode("utf-8", "replace")


def initialise(directory: Path) -> None:
    """Makes an empty bare repository whose HEAD is main; doing it again changes nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    repository = pygit2.init_repository(str(directory), bare=True, initial_head="main")
    config = repository.config
    config["receive.fsckObjects"] = "true"
    config["receive.autogc"] = "false"
    config["receive.denyDeleteCurrent"] = "true"
    config["uploadpack.allowFilter"] = "true"
    config["core.hooksPath"] = str(HOOKS)


class Store:
    """Read access to one bare repository."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.git = pygit2.Repository(str(directory))

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag, `refs/…` or (abbreviated, ≥ 7 digits) commit id names. Raises RevisionNotFound."""
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}"]
        if revision.startswith("refs/"):
            names.insert(0, revision)
        if revision == "HEAD":
            names = ["HEAD"]
        for name in names:
            found = self.ref(name)
            if found is not None:
                return found
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            try:
                return str(self.git.revparse_single(revision).peel(pygit2.Commit).id)
            except (KeyError, ValueError, pygit2.GitError):
                pass
        raise RevisionNotFound(f"Invalid rev id: {revision[:200]}")

    def ref(self, name: str) -> str | None:
        """The commit a full ref name stands at (tags peeled), or None."""
        try:
            return str(self.git.lookup_reference(name).peel(pygit2.Commit).id)
        except (KeyError, ValueError, pygit2.GitError):
            return None

    def raw_ref(self, name: str) -> str:
        """The object a full ref name stands at, unpeeled; forty zeros when there is none. What compare-and-swap compares."""
        try:
            return str(self.git.lookup_reference(name).resolve().target)
        except (KeyError, ValueError, pygit2.GitError):
            return ZERO

    def refs(self, prefix: str) -> Iterator[tuple[str, str]]:
        """(full name, commit) of refs under a prefix such as `refs/heads/`, by name."""
        for name in sorted(self.git.references):
            if name.startswith(prefix):
                commit = self.ref(name)
                if commit is not None:
                    yield name, commit

    def tree_of(self, commit: str) -> str:
        return str(self.git[commit].peel(pygit2.Commit).tree_id)

    def commit(self, oid: str) -> CommitInfo:
        commit = self.git[oid].peel(pygit2.Commit)
        # Clients write commits too: the declared encoding may not exist, and the date may lie beyond what a calendar holds.
        title, _, rest = _text(commit.raw_message).partition("\n")
        date = datetime.fromtimestamp(min(max(commit.commit_time, 0), LAST_MOMENT), UTC)
        return CommitInfo(str(commit.id), title, rest.strip("\n"), _text(commit.author.raw_name), date)

    def history(self, oid: str, *, skip: int, limit: int, without: Iterable[str] = ()) -> list[CommitInfo]:
        """Commits from `oid` back, newest first, but for those that lie in the history of others."""
        walker = self.git.walk(oid, SortMode.TOPOLOGICAL | SortMode.TIME)
        for other in without:
            walker.hide(other)
        found = []
        for number, commit in enumerate(walker):
            if number >= skip + limit:
                break
            if number >= skip:
                found.append(self.commit(str(commit.id)))
        return found

    def count(self, oid: str) -> int:
        return sum(1 for _ in self.git.walk(oid))

    def contains(self, oid: str, ancestor: str) -> bool:
        """Whether `ancestor` is `oid` or lies in its history."""
        if oid == ancestor:
            return True
        try:
            return bool(self.git.descendant_of(oid, ancestor))
        except (KeyError, ValueError, pygit2.GitError):
            return False

    def entry(self, commit: str, path: str) -> Entry:
        """The entry at a path. Raises EntryNotFound."""
        try:
            found = self.git[commit].peel(pygit2.Tree)[path]
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise EntryNotFound(f"Entry not found: {path[:200]}") from error
        if found.type == ObjectType.COMMIT:
            raise EntryNotFound(f"{path[:200]} is a submodule; it has no content here")
        return self._entry(path, found)

    def find(self, commit: str, path: str) -> Entry | None:
        try:
            return self.entry(commit, path)
        except EntryNotFound:
            return None

    def tree(self, commit: str, path: str = "", *, recursive: bool = False, after: str = "") -> Iterator[Entry]:
        """Entries below a path in git's order, after a path that an earlier page ended with. Raises EntryNotFound."""
        root = self.git[commit].peel(pygit2.Tree)
        if path:
            entry = self.entry(commit, path)
            if not entry.is_directory:
                raise EntryNotFound(f"{path[:200]} is a file, not a directory")
            root = self.git[entry.oid].peel(pygit2.Tree)
        return self._walk(root, f"{path}/" if path else "", recursive, after)

    def _walk(self, tree: pygit2.Tree, prefix: str, recursive: bool, after: str) -> Iterator[Entry]:
        skipping = bool(after)
        for item in tree:
            path = f"{prefix}{item.name}"
            if skipping:
                if path == after:
                    skipping = False
                    if not (recursive and item.type == ObjectType.TREE):
                        continue
                    yield from self._walk(self.git[item.id].peel(pygit2.Tree), f"{path}/", recursive, "")
                    continue
                if recursive and item.type == ObjectType.TREE and after.startswith(f"{path}/"):
                    skipping = False
                    yield from self._walk(self.git[item.id].peel(pygit2.Tree), f"{path}/", recursive, after)
                continue
            if item.type == ObjectType.COMMIT:
                continue  # a submodule has no content here
            yield self._entry(path, item)
            if recursive and item.type == ObjectType.TREE:
                yield from self._walk(self.git[item.id].peel(pygit2.Tree), f"{path}/", recursive, "")

    def _entry(self, path: str, item: pygit2.Object) -> Entry:
        if item.type == ObjectType.TREE:
            return Entry(path, str(item.id), is_directory=True)
        kind, size = self.header(str(item.id))
        pointer = parse(self.blob(str(item.id))) if size <= MAX_POINTER and kind == "blob" else None
        if pointer is not None:
            return Entry(path, str(item.id), False, pointer.size, pointer, size)
        return Entry(path, str(item.id), False, size)

    def header(self, oid: str) -> tuple[str, int]:
        """(kind, size) of an object without reading its content."""
        kind, size = self.git.odb.read_header(oid)
        return ("blob" if kind == ObjectType.BLOB else "other", size)

    def blob(self, oid: str) -> bytes:
        """A plain file's content; plain files are at most 10 MB."""
        found = self.git[oid]
        return found.data if isinstance(found, pygit2.Blob) else b""

    def read_text(self, commit: str, path: str, *, limit: int) -> str | None:
        """A small UTF-8 file of a commit, or None when it is not there, too large, not text or a large file's pointer."""
        entry = self.find(commit, path)
        if entry is None or entry.is_directory or entry.lfs is not None or entry.size > limit:
            return None
        return self.blob(entry.oid).decode("utf-8", "replace")

    def last_commits(self, commit: str, paths: list[str]) -> dict[str, CommitInfo]:
        """The newest commit that touched each path, by one walk of `git log` that ends when all are found."""
        wanted, found = set(paths), {}
        arguments = ["git", "-C", str(self.directory), "log", "--format=%x01%H", "--name-only", "-z"]
        arguments += ["--end-of-options", commit, "--"]
        if sum(len(path.encode()) + 1 for path in paths) <= MAX_ARGUMENTS:
            arguments += paths
        process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment()
        )
        assert process.stdout is not None
        try:
            current = ""
            for token in _tokens(process.stdout):
                text = token.lstrip("\n")
                if text.startswith("\x01"):
                    current, text = text[1:41], text[41:].lstrip("\n")
                parts = text.split("/")
                for depth in range(1, len(parts) + 1):
                    name = "/".join(parts[:depth])
                    if name in wanted:
                        wanted.discard(name)
                        found[name] = self.commit(current)
                if not wanted:
                    break
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        return found


def _tokens(stream: IO[bytes]) -> Iterator[str]:
    """What stands between NULs, as it comes."""
    rest = b""
    while piece := stream.read(64 * 1024):
        *whole, rest = (rest + piece).split(b"\0")
        for token in whole:
            yield token.decode("utf-8", "replace")
    yield rest.decode("utf-8", "replace")
