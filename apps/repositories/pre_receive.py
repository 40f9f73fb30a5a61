"""What is asked of a git push before its refs move: names, plain files' sizes, large files that nobody uploaded.

The new objects lie in git's quarantine; they are read there by the git binary with the quarantine's environment.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import AtriumError, Conflict, Unprocessable
from apps.core.principal import Principal
from apps.repositories.commits import MAX_PLAIN_BYTES
from apps.repositories.exceptions import BadPath, BadRef, FileTooLarge
from apps.repositories.git.paths import MAX_DEPTH, check_path, check_ref_name
from apps.repositories.git.pointers import MAX_POINTER, Pointer, parse
from apps.repositories.git.store import ZERO, clean_environment
from apps.repositories.git.trees import RefMoved
from apps.repositories.models import Repository
from apps.repositories.pushes import RefUpdate, check_pointers, declare

MAX_REFS = 200
MAX_NEW_OBJECTS = 500_000
MAX_NEW_COMMITS = 100_000
# Directories may be large and nearly equal, and then come as a small pack: what they unpack to is what counts.
MAX_TREE_BYTES = 256 * 1024 * 1024
BATCH = 1000
BATCH_BYTES = 8 * 1024 * 1024
_ALLOWED_REFS = re.compile(r"refs/(heads|tags)/(.+)")


@dataclass(frozen=True)
class NewObject:
    """An object that the push brings; `path` is one at which it stands, or its id where it has none (a tag may point to a blob)."""

    oid: str
    kind: str
    size: int
    path: str


def accept(
    actor: Principal,
    repository: Repository,
    lines: Sequence[Sequence[str]],
    environment: dict[str, str],
    push_id: uuid.UUID,
) -> None:
    """Commits the intents of a push that may happen; raises an AtriumError that says what to do about one that may not."""
    updates = [RefUpdate(ref, old, new) for old, new, ref in lines]
    if len(updates) > MAX_REFS:
        raise BadRef(f"A push moves at most {MAX_REFS} refs; push them in parts.")
    directory = repository.git_dir
    for update in updates:
        _check_ref(update)
        if update.new != ZERO:
            _check_points_to_commit(directory, update, environment)
    objects = _new_objects(directory, updates, environment)
    _check_names(directory, [item for item in objects if item.kind == "tree"], environment)
    adopts = _check_blobs(directory, [item for item in objects if item.kind == "blob"], environment, actor, repository)
    try:
        declare(actor, repository, updates, push_id=push_id, adopts=adopts)
    except RefMoved as error:
        raise Conflict(f"{error} Fetch, merge and push again.", code="ref_moved") from error


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
        env=_clean(environment),
        timeout=300,
    )
    if done.returncode:
        raise Unprocessable(
            f"The push could not be read: {done.stderr.decode('utf-8', 'replace')[:300]}", code="bad_push"
        )
    return done.stdout


def _clean(environment: dict[str, str]) -> dict[str, str]:
    """A clean environment, and the quarantine's."""
    return clean_environment() | environment


def _check_points_to_commit(directory: Path, update: RefUpdate, environment: dict[str, str]) -> None:
    """A tag of a blob or tree would carry what no commit names past every check of commits."""
    try:
        _git(directory, environment, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{update.new}^{{commit}}")
    except Unprocessable as error:
        raise BadRef(f"{update.ref[:100]!r} must point to a commit.", ref=update.ref[:100]) from error


def _new_objects(directory: Path, updates: Sequence[RefUpdate], environment: dict[str, str]) -> list[NewObject]:
    """Trees and blobs that the push brings."""
    tips = [update.new for update in updates if update.new != ZERO]
    if not tips:
        return []
    feed = "".join(f"{tip}\n" for tip in tips).encode()
    limit = f"--max-count={MAX_NEW_COMMITS}"
    listed = _git(directory, environment, "rev-list", limit, "--count", "--stdin", "--not", "--all", feed=feed)
    if int(listed) >= MAX_NEW_COMMITS:
        raise FileTooLarge(
            f"A push brings fewer than {MAX_NEW_COMMITS} commits; push in parts.", code="too_many_objects"
        )
    paths = _listed(directory, feed, environment)
    checked = _git(
        directory,
        environment,
        "cat-file",
        "--batch-check=%(objectname) %(objecttype) %(objectsize)",
        "--buffer",
        feed="".join(f"{oid}\n" for oid in paths).encode(),
    )
    rows = (line.split(" ") for line in checked.decode().splitlines())
    return [NewObject(oid, kind, int(size), paths[oid]) for oid, kind, size in rows]


def _listed(directory: Path, feed: bytes, environment: dict[str, str]) -> dict[str, str]:
    """Id → path of every new object, read line by line, so that a push of very many small objects is refused before it is held."""
    paths: dict[str, str] = {}
    with tempfile.TemporaryFile() as tips:
        tips.write(feed)
        tips.seek(0)
        process = subprocess.Popen(
            ["git", "-C", str(directory), "rev-list", "--objects", "--stdin", "--not", "--all"],
            stdin=tips,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_clean(environment),
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                oid, _, path = line.rstrip(b"\n").partition(b" ")
                if re.fullmatch(rb"[0-9a-f]{40}", oid):
                    paths[oid.decode()] = path.decode("utf-8", "replace") or oid.decode()
                if len(paths) > MAX_NEW_OBJECTS:
                    raise FileTooLarge(
                        f"A push brings at most {MAX_NEW_OBJECTS} objects; push in parts.", code="too_many_objects"
                    )
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
    return paths


def _check_names(directory: Path, trees: Sequence[NewObject], environment: dict[str, str]) -> None:
    """Every name in every new tree: a listing of objects names each only once, the trees name them all."""
    if sum(tree.size for tree in trees) > MAX_TREE_BYTES:
        raise FileTooLarge(
            f"A push brings directories of at most {MAX_TREE_BYTES} bytes in all.", code="too_many_objects"
        )
    for tree in trees:
        if tree.path.count("/") >= MAX_DEPTH:
            raise BadPath(f"A path has at most {MAX_DEPTH} parts.", path=tree.path[:80])
    for _, content in _contents(directory, trees, environment):
        position = 0
        while position < len(content):
            space, end = content.index(b" ", position), content.index(b"\0", position)
            try:
                check_path(content[space + 1 : end].decode())
            except UnicodeDecodeError as error:
                raise BadPath("A path must be valid UTF-8.") from error
            position = end + 1 + 20


def _check_blobs(
    directory: Path, blobs: Sequence[NewObject], environment: dict[str, str], actor: Principal, repository: Repository
) -> set[str]:
    """Sizes and pointers; the SHA-256s that the push adopts from other repositories."""
    large = [blob for blob in blobs if blob.size > MAX_PLAIN_BYTES]
    if large:
        raise FileTooLarge(
            f"{large[0].path!r} has {large[0].size} bytes; plain git takes files up to 10 MB. "
            f"Run 'git lfs track \"{large[0].path}\"', commit again without the plain file, and push.",
            path=large[0].path[:200],
        )
    small = [blob for blob in blobs if blob.size <= MAX_POINTER]
    # Several versions of one file stand at one path, and each of them is checked.
    pointers = {f"{path} ({oid[:12]})": pointer for path, oid, pointer in _pointers(directory, small, environment)}
    return check_pointers(actor, repository, pointers) if pointers else set()


def _pointers(
    directory: Path, blobs: Sequence[NewObject], environment: dict[str, str]
) -> Iterator[tuple[str, str, Pointer]]:
    """(path, id, pointer) of the small blobs that are LFS pointers."""
    for blob, content in _contents(directory, blobs, environment):
        pointer = parse(content)
        if pointer is not None:
            yield blob.path, blob.oid, pointer


def _contents(
    directory: Path, objects: Sequence[NewObject], environment: dict[str, str]
) -> Iterator[tuple[NewObject, bytes]]:
    """Objects with their content, a batch of them by each `cat-file --batch`."""
    for batch in _batches(objects):
        feed = "".join(f"{item.oid}\n" for item in batch).encode()
        answer, position = _git(directory, environment, "cat-file", "--batch", feed=feed), 0
        for item in batch:
            start = answer.index(b"\n", position) + 1
            position = start + item.size + 1
            yield item, answer[start : start + item.size]


def _batches(objects: Sequence[NewObject]) -> Iterator[list[NewObject]]:
    """At most a thousand objects, and about 8 MiB, at a time."""
    batch: list[NewObject] = []
    for item in objects:
        if batch and (len(batch) >= BATCH or sum(other.size for other in batch) + item.size > BATCH_BYTES):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def verdict(error: AtriumError) -> str:
    """The sentence that git shows the pusher after `remote:`."""
    return f"Atrium: {error.message} [{error.code}]"
