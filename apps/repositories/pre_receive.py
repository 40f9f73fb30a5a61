"""What is asked of a git push before its refs move: names, plain files' sizes, large files that nobody uploaded.

The new objects lie in git's quarantine; they are read there by the git binary with the quarantine's environment.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import AtriumError, Unprocessable
from apps.core.principal import Principal
from apps.repositories.commits import MAX_PLAIN_BYTES
from apps.repositories.exceptions import BadRef, FileTooLarge
from apps.repositories.git.paths import check_path, check_ref_name
from apps.repositories.git.pointers import MAX_POINTER, Pointer, parse
from apps.repositories.git.store import ZERO
from apps.repositories.models import Repository
from apps.repositories.pushes import Intents, RefUpdate, check_pointers, declare

MAX_REFS = 200
MAX_NEW_OBJECTS = 500_000
_ALLOWED_REFS = re.compile(r"refs/(heads|tags)/(.+)")


@dataclass(frozen=True)
class NewBlob:
    oid: str
    size: int
    path: str


def accept(
    actor: Principal, repository: Repository, lines: Sequence[Sequence[str]], environment: dict[str, str]
) -> Intents:
    """Commits the intents of a push that may happen; raises an AtriumError that says what to do about one that may not."""
    updates = [RefUpdate(ref, old, new) for old, new, ref in lines]
    if len(updates) > MAX_REFS:
        raise BadRef(f"A push moves at most {MAX_REFS} refs; push them in parts.")
    for update in updates:
        _check_ref(update)
    blobs = list(_new_blobs(repository.git_dir, updates, environment))
    _check_blobs(repository.git_dir, blobs, environment, actor, repository)
    return declare(actor, repository, updates)


def _check_ref(update: RefUpdate) -> None:
    match = _ALLOWED_REFS.fullmatch(update.ref)
    if match is None:
        raise BadRef(f"{update.ref[:100]!r} cannot be pushed: only branches and tags can.", ref=update.ref[:100])
    check_ref_name(match.group(2))
    if update.ref == "refs/heads/main" and update.new == ZERO:
        raise BadRef("The branch main cannot be deleted.", ref=update.ref)


def _git(directory: Path, environment: dict[str, str], *arguments: str, feed: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        input=feed,
        capture_output=True,
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "HOME": "/nonexistent",
            **_trusted(),
            **environment,
        },
        timeout=300,
    )
    if done.returncode:
        raise Unprocessable(
            f"The push could not be read: {done.stderr.decode('utf-8', 'replace')[:300]}", code="bad_push"
        )
    return done.stdout


def _trusted() -> dict[str, str]:
    """Our directories are ours, whoever owns their files in a container."""
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def _new_blobs(directory: Path, updates: Sequence[RefUpdate], environment: dict[str, str]) -> Iterator[NewBlob]:
    """Blobs that the push brings, with a path at which each stands. Paths are checked on the way."""
    tips = [update.new for update in updates if update.new != ZERO]
    if not tips:
        return
    feed = "".join(f"{tip}\n" for tip in tips)
    listed = _git(directory, environment, "rev-list", "--objects", "--stdin", "--not", "--all", feed=feed.encode())
    paths: dict[str, str] = {}
    for line in listed.decode("utf-8", "surrogateescape").splitlines():
        oid, _, path = line.partition(" ")
        if path:
            paths[oid] = path
    if len(paths) > MAX_NEW_OBJECTS:
        raise FileTooLarge(f"A push brings at most {MAX_NEW_OBJECTS} objects; push in parts.", code="too_many_objects")
    checked = _git(
        directory, environment, "cat-file", "--batch-check=%(objectname) %(objecttype) %(objectsize)", "--buffer",
        feed="".join(f"{oid}\n" for oid in paths).encode(),
    )  # fmt: skip
    for line in checked.decode().splitlines():
        oid, kind, size = line.split(" ")
        check_path(paths[oid])
        if kind == "blob":
            yield NewBlob(oid, int(size), paths[oid])


def _check_blobs(
    directory: Path, blobs: Sequence[NewBlob], environment: dict[str, str], actor: Principal, repository: Repository
) -> None:
    large = [blob for blob in blobs if blob.size > MAX_PLAIN_BYTES]
    if large:
        raise FileTooLarge(
            f"{large[0].path!r} has {large[0].size} bytes; plain git takes files up to 10 MB. "
            f"Run 'git lfs track \"{large[0].path}\"', commit again without the plain file, and push.",
            path=large[0].path[:200],
        )
    small = [blob for blob in blobs if blob.size <= MAX_POINTER]
    pointers = dict(_pointers(directory, small, environment))
    if pointers:
        check_pointers(actor, repository, pointers)


def _pointers(directory: Path, blobs: Sequence[NewBlob], environment: dict[str, str]) -> Iterator[tuple[str, Pointer]]:
    """(path, pointer) of the small blobs that are LFS pointers, by one `cat-file --batch`."""
    if not blobs:
        return
    content = _git(directory, environment, "cat-file", "--batch", feed="".join(f"{b.oid}\n" for b in blobs).encode())
    position = 0
    for blob in blobs:
        end = content.index(b"\n", position)
        start, position = end + 1, end + 1 + blob.size + 1
        pointer = parse(content[start : start + blob.size])
        if pointer is not None:
            yield blob.path, pointer


def verdict(error: AtriumError) -> str:
    """The sentence that git shows the pusher after `remote:`."""
    return f"Atrium: {error.message} [{error.code}]"
