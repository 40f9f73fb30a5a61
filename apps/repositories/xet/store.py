"""A repository's Xet store: containers are kept as they come; a shard's files are rebuilt, checked and stored as large files."""

from __future__ import annotations

from collections.abc import Iterator

from apps.core.errors import BadInput
from apps.repositories import blobs
from apps.repositories.models import Repository, Xorb
from apps.repositories.xet.formats import BadShard, XetFile, chunks

MAX_FILE = 100 * 1024**3


def xorb_key(repository: Repository, hash: str) -> str:
    return f"ns/{repository.namespace_id}/xet/{repository.id}/{hash}"


def has_xorb(repository: Repository, hash: str) -> bool:
    return Xorb.objects.filter(repository=repository, hash=hash).exists()


def record_xorb(repository: Repository, hash: str, size: int) -> bool:
    """Says that a container lies in S3; False when it did already."""
    _, created = Xorb.objects.get_or_create(repository=repository, hash=hash, defaults={"size": size})
    return created


def store_file(repository: Repository, file: XetFile) -> None:
    """Rebuilds a file from this repository's containers in constant memory; afterwards the repository holds it.

    Raises BadShard (a container that was not uploaded here), BadXorb, DigestMismatch.
    """
    if file.size > MAX_FILE:
        raise BadShard(f"A file has more than {MAX_FILE} bytes.")
    if blobs.possessed(repository, [file.sha256]).get(file.sha256) == file.size:
        return
    named = {term.xorb for term in file.terms}
    known = set(Xorb.objects.filter(repository=repository, hash__in=named).values_list("hash", flat=True))
    if named - known:
        raise BadShard(f"The shard names a container that was not uploaded here: {min(named - known)}.")
    blobs.put(repository.namespace_id, _content(repository, file), sha256=file.sha256, size=file.size)
    blobs.possess(repository, sha256=file.sha256, size=file.size)


def _content(repository: Repository, file: XetFile) -> Iterator[bytes]:
    for term in file.terms:
        size = 0
        try:
            for chunk in chunks(blobs.read_key(xorb_key(repository, term.xorb)), term.first, term.last):
                size += len(chunk)
                yield chunk
        except FileNotFoundError as error:
            raise BadInput(f"The container {term.xorb} is gone; upload the file again.", code="xorb_gone") from error
        if size != term.size:
            raise BadShard(f"A term announces {term.size} bytes, its chunks have {size}.")
