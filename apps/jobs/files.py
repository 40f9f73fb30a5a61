"""A job's own files in S3, under `jobs/{job id}/…`: what was uploaded with it, and what it left."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from apps.core import s3

CHUNK = 1024 * 1024


def artefact_path(name: str, sha256: str) -> str:
    """Where an artefact lies beneath its job: two attempts that differ do not overwrite each other."""
    return f"artefacts/{sha256[:16]}/{name}"


def _key(job_id: uuid.UUID, path: str) -> str:
    return f"jobs/{job_id}/{path}"


def write(job_id: uuid.UUID, path: str, content: bytes, *, content_type: str = "application/octet-stream") -> None:
    """Overwrites; running a job twice leaves what running it once leaves."""
    s3.client().put_object(Bucket=s3.bucket(), Key=_key(job_id, path), Body=content, ContentType=content_type)


def read(job_id: uuid.UUID, path: str) -> Iterator[bytes]:
    """The file in chunks of 1 MiB."""
    body = s3.client().get_object(Bucket=s3.bucket(), Key=_key(job_id, path))["Body"]
    try:
        yield from body.iter_chunks(CHUNK)
    finally:
        body.close()
