"""`…/resolve/{revision}/{path}`: a file of a revision, as every hub client downloads it."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote

from asgiref.sync import sync_to_async

from apps.core import gates
from apps.core.http import headers_of
from apps.core.principal import Principal
from apps.core.routes import Receive, Scope, Send, register_route
from apps.repositories import blobs
from apps.repositories.access import REPOSITORY, open_repository
from apps.repositories.downloads import Span, send_span, span_of
from apps.repositories.exceptions import EntryNotFound, RevisionNotFound
from apps.repositories.git.store import Entry, Store
from apps.repositories.models import Repository

# Shown in place; everything else is handed out as an attachment, because it may be active content.
INLINE_TYPES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "text/plain", "application/json"}
)
DEEPEST_REF = 5


@dataclass(frozen=True)
class Download:
    """What the download gate is asked about."""

    actor: Principal
    repository: Repository
    commit: str
    entry: Entry


def register() -> None:
    register_route(
        name="resolve",
        pattern=REPOSITORY + r"/(?P<mode>resolve|raw)/(?P<rest>.+)",
        methods={"GET", "HEAD"},
        action="repository.read",
        handler=resolve,
    )


def locate(store: Store, rest: str) -> tuple[str, str]:
    """(commit, path) of `revision/path`, where the revision is one encoded segment, or several plain ones. Raises RevisionNotFound."""
    segments = rest.split("/")
    failed: RevisionNotFound | None = None
    for length in range(1, min(DEEPEST_REF, len(segments) - 1) + 1):
        try:
            commit = store.resolve(unquote("/".join(segments[:length])))
        except RevisionNotFound as error:
            failed = failed or error
            continue
        return commit, unquote("/".join(segments[length:]))
    raise failed or RevisionNotFound(f"Invalid rev id: {rest[:200]}")


def _find(actor: Principal, repository: Repository, rest: str) -> tuple[str, Entry, Store]:
    store = Store(repository.git_dir)
    commit, path = locate(store, rest)
    try:
        entry = store.entry(commit, path)
        if entry.is_directory:
            raise EntryNotFound(f"{path[:200]} is a directory")
    except EntryNotFound as error:
        # Clients remember for this commit that the file is not there.
        error.headers["X-Repo-Commit"] = commit
        raise
    if entry.lfs and blobs.possessed(repository, [entry.lfs.sha256]).get(entry.lfs.sha256) != entry.lfs.size:
        # A pointer proves nothing: only what this repository holds is handed out.
        raise EntryNotFound(f"The large file behind {path[:200]} is not here")
    gates.download(Download(actor, repository, commit, entry))
    return commit, entry, store


async def resolve(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    actor, repository = await open_repository(scope, params, "repository.read")
    commit, entry, store = await sync_to_async(_find)(actor, repository, params["rest"])
    pointer = entry.lfs if params["mode"] == "resolve" else None
    size = entry.size if pointer else (entry.pointer_size if entry.lfs else entry.size)
    span = span_of(headers_of(scope).get("range"), size)
    etag = pointer.sha256 if pointer else entry.oid
    headers = {
        "Content-Type": content_type(entry.path),
        "Content-Disposition": disposition(entry.path),
        "ETag": f'"{etag}"',
        "X-Repo-Commit": commit,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
    }
    if pointer:
        headers |= {"X-Linked-Size": str(size), "X-Linked-Etag": f'"{etag}"'}
    content = (
        None if scope["method"] == "HEAD" else content_of(repository, store, entry, span, whole=pointer is not None)
    )
    await send_span(send, span, size, headers, content)


def content_of(repository: Repository, store: Store, entry: Entry, span: Span, *, whole: bool) -> Iterator[bytes]:
    """The span's bytes: of the large file (`whole`), or of the blob as it stands in git."""
    if whole and entry.lfs:
        yield from blobs.read(repository.namespace_id, entry.lfs.sha256, start=span.first, length=span.length)
    else:
        yield store.blob(entry.oid)[span.first : span.first + span.length]


def content_type(path: str) -> str:
    guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
    if guessed.startswith("text/") or guessed in {"application/x-yaml", "application/xml"}:
        guessed = "text/plain"
    if guessed not in INLINE_TYPES:
        return "application/octet-stream"
    return f"{guessed}; charset=utf-8" if guessed in {"text/plain", "application/json"} else guessed


def disposition(path: str) -> str:
    """The file's own name (RFC 6266); clients show it."""
    name = path.rsplit("/", 1)[-1]
    kind = "inline" if content_type(path) != "application/octet-stream" else "attachment"
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\;' else "_" for c in name)
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\""
