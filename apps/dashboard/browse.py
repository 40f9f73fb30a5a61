"""What the pages of a repository show of its git contents: the head, a folder, the beginning of a file. Bounded, whatever was pushed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from apps.core import gates
from apps.core.principal import Principal
from apps.repositories.exceptions import EntryNotFound, RevisionNotFound
from apps.repositories.git.store import CommitInfo, Entry, Store
from apps.repositories.models import Repository
from apps.repositories.resolve import Download

MAIN = "main"
CARD = "README.md"
MAX_CARD = 1024 * 1024
MAX_ENTRIES = 1000
MAX_REVISIONS = 200
MAX_PREVIEW = 128 * 1024
# What browsers draw and cannot run. SVG is left out: it is a document with scripts.
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp")


@dataclass(frozen=True)
class Overview:
    """The head of main; None in a repository without commits."""

    head: CommitInfo | None
    commits: int
    card: str | None


@dataclass(frozen=True)
class Crumb:
    name: str
    path: str


@dataclass(frozen=True)
class Row:
    """An entry of a folder as the page lists it."""

    name: str
    path: str
    is_folder: bool
    is_large: bool
    size: int


@dataclass(frozen=True)
class Folder:
    commit: str
    rows: list[Row]
    more: bool


@dataclass(frozen=True)
class File:
    """A file's facts and, where it is text in git itself, its beginning."""

    commit: str
    entry: Entry
    is_picture: bool
    text: str | None
    is_cut: bool


@dataclass(frozen=True)
class Revision:
    name: str
    kind: str


def overview(repository: Repository) -> Overview:
    store = Store(repository.git_dir)
    oid = store.ref(f"refs/heads/{MAIN}")
    if oid is None:
        return Overview(None, 0, None)
    return Overview(store.commit(oid), store.count(oid), store.read_text(oid, CARD, limit=MAX_CARD))


def revisions(repository: Repository) -> list[Revision]:
    """Branches, then tags, by name."""
    store = Store(repository.git_dir)
    found = [
        Revision(name.removeprefix(prefix), kind)
        for prefix, kind in (("refs/heads/", "branch"), ("refs/tags/", "tag"))
        for name, _commit in store.refs(prefix)
    ]
    return found[:MAX_REVISIONS]


def folder(repository: Repository, revision: str, path: str) -> Folder | None:
    """A folder, its own folders first; None for a repository that has no main yet. Raises RevisionNotFound, EntryNotFound."""
    store = Store(repository.git_dir)
    try:
        commit = store.resolve(revision)
    except RevisionNotFound:
        if revision == MAIN and not path:
            return None
        raise
    entries = list(islice(store.tree(commit, path), MAX_ENTRIES + 1))
    rows = [
        Row(entry.path.rpartition("/")[2], entry.path, entry.is_directory, entry.lfs is not None, entry.size)
        for entry in entries[:MAX_ENTRIES]
    ]
    rows.sort(key=lambda row: not row.is_folder)
    return Folder(commit, rows, len(entries) > MAX_ENTRIES)


def file(actor: Principal, repository: Repository, revision: str, path: str) -> File:
    """A file at a revision, past the gate that downloads pass. Raises RevisionNotFound, EntryNotFound (also for a folder)."""
    store = Store(repository.git_dir)
    commit = store.resolve(revision)
    entry = store.entry(commit, path)
    if entry.is_directory:
        raise EntryNotFound(f"{path[:200]} is a folder, not a file")
    gates.download(Download(actor, repository, commit, entry))
    if path.lower().endswith(PICTURES):
        return File(commit, entry, is_picture=True, text=None, is_cut=False)
    text = None if entry.lfs is not None else _text(store.blob(entry.oid)[: MAX_PREVIEW + 1])
    return File(commit, entry, is_picture=False, text=text, is_cut=text is not None and entry.size > MAX_PREVIEW)


def crumbs(path: str) -> list[Crumb]:
    parts = [part for part in path.split("/") if part]
    return [Crumb(part, "/".join(parts[: number + 1])) for number, part in enumerate(parts)]


def _text(content: bytes) -> str | None:
    """The content as text, or None where it is none."""
    if b"\0" in content:
        return None
    shown = content[:MAX_PREVIEW]
    try:
        return shown.decode()
    except UnicodeDecodeError as error:
        # The cut may have gone through a character of up to four bytes.
        return shown[: error.start].decode() if len(content) > MAX_PREVIEW and len(shown) - error.start < 4 else None
