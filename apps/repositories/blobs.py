"""Large files in S3 by SHA-256, under their namespace's prefix. What is not verified can be neither referenced nor served.

Memory is flat: bytes pass in parts of 8 MiB, whatever the size of the file.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from botocore.exceptions import ClientError
from django.db import transaction

from apps.core import s3
from apps.core.errors import BadInput
from apps.repositories.models import ObjectPossession, Repository, StoredObject

PART = 8 * 1024 * 1024
READ = 1024 * 1024


class DigestMismatch(BadInput):
    code, title = "digest_mismatch", "The bytes are not those that were announced"


def key(namespace_id: uuid.UUID, sha256: str) -> str:
    return f"ns/{namespace_id}/sha256/{sha256[:2]}/{sha256}"


class PartWriter:
    """An S3 object that is written in pieces of any size, in parts of 8 MiB; nothing stands at the key until `complete`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.written = 0
        self._buffer = bytearray()
        self._parts: list[dict[str, Any]] = []
        self._upload_id: str | None = None

    def write(self, piece: bytes) -> None:
        self.written += len(piece)
        self._buffer += piece
        while len(self._buffer) >= PART:
            self._send(bytes(self._buffer[:PART]))
            del self._buffer[:PART]

    def complete(self) -> None:
        if self._upload_id is None:
            s3.client().put_object(Bucket=s3.bucket(), Key=self.name, Body=bytes(self._buffer))
            return
        if self._buffer:
            self._send(bytes(self._buffer))
        s3.client().complete_multipart_upload(
            Bucket=s3.bucket(), Key=self.name, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
        )

    def abort(self) -> None:
        if self._upload_id is not None:
            s3.client().abort_multipart_upload(Bucket=s3.bucket(), Key=self.name, UploadId=self._upload_id)
            self._upload_id = None

    def _send(self, part: bytes) -> None:
        if self._upload_id is None:
            self._upload_id = s3.client().create_multipart_upload(Bucket=s3.bucket(), Key=self.name)["UploadId"]
        number = len(self._parts) + 1
        answer = s3.client().upload_part(
            Bucket=s3.bucket(), Key=self.name, UploadId=self._upload_id, PartNumber=number, Body=part
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})


class Upload:
    """A large file on its way to its final key, completed only if size and SHA-256 are those announced."""

    def __init__(self, namespace_id: uuid.UUID, sha256: str, size: int) -> None:
        self.sha256, self.size = sha256, size
        self._writer = PartWriter(key(namespace_id, sha256))
        self._hash = hashlib.sha256()

    def write(self, piece: bytes) -> None:
        """Raises DigestMismatch as soon as there are more bytes than announced."""
        if self._writer.written + len(piece) > self.size:
            raise DigestMismatch(f"{self.size} bytes were announced, more came.")
        self._hash.update(piece)
        self._writer.write(piece)

    def complete(self) -> None:
        """Raises DigestMismatch, and then leaves nothing behind."""
        if self._writer.written != self.size or self._hash.hexdigest() != self.sha256:
            self.abort()
            raise DigestMismatch(
                f"The bytes ({self._writer.written} of {self.size}) do not have the SHA-256 {self.sha256}."
            )
        self._writer.complete()

    def abort(self) -> None:
        self._writer.abort()


def put(namespace_id: uuid.UUID, pieces: Iterable[bytes], *, sha256: str, size: int) -> None:
    """Stores a whole file. Raises DigestMismatch."""
    upload = Upload(namespace_id, sha256, size)
    try:
        for piece in pieces:
            upload.write(piece)
    except BaseException:
        upload.abort()
        raise
    upload.complete()


def read(namespace_id: uuid.UUID, sha256: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes from `start`, in pieces of 1 MiB."""
    yield from read_key(key(namespace_id, sha256), start=start, length=length)


def read_key(name: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The bytes of any key from `start`, in pieces of 1 MiB. Raises FileNotFoundError."""
    if length == 0:
        return
    end = "" if length is None else str(start + length - 1)
    ranged = {"Range": f"bytes={start}-{end}"} if start or length is not None else {}
    try:
        body = s3.client().get_object(Bucket=s3.bucket(), Key=name, **ranged)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise FileNotFoundError(name) from error
        raise
    try:
        yield from body.iter_chunks(READ)
    finally:
        body.close()


def possess(repository: Repository, *, sha256: str, size: int) -> StoredObject:
    """Records that verified bytes were uploaded to this repository. Doing it again changes nothing."""
    with transaction.atomic():
        stored, _ = StoredObject.objects.get_or_create(
            namespace_id=repository.namespace_id, sha256=sha256, defaults={"size": size}
        )
        ObjectPossession.objects.get_or_create(repository=repository, stored=stored)
    return stored


def possessed(repository: Repository, digests: Iterable[str]) -> dict[str, int]:
    """Which of the SHA-256s this repository holds, with their sizes. One query."""
    rows = ObjectPossession.objects.filter(repository=repository, stored__sha256__in=list(digests))
    return dict(rows.values_list("stored__sha256", "stored__size"))
