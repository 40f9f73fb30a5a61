"""A job's own files in S3, under `jobs/{job id}/…`: what was uploaded with it, and what it left."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from django.conf import settings

CHUNK = 1024 * 1024


@lru_cache(maxsize=1)
def _client() -> Any:
    return boto3.client(
        "s3",
        endpoint_url=settings.S3_ENDPOINT_URL or None,
        aws_access_key_id=settings.S3_ACCESS_KEY_ID,
        aws_secret_access_key=settings.S3_SECRET_ACCESS_KEY,
        region_name=settings.S3_REGION,
        config=Config(connect_timeout=5, read_timeout=60, retries={"max_attempts": 3}, s3={"addressing_style": "path"}),
    )


def _key(job_id: uuid.UUID, path: str) -> str:
    return f"jobs/{job_id}/{path}"


def write(job_id: uuid.UUID, path: str, content: bytes, *, content_type: str = "application/octet-stream") -> None:
    """Overwrites; running a job twice leaves what running it once leaves."""
    _client().put_object(Bucket=settings.S3_BUCKET, Key=_key(job_id, path), Body=content, ContentType=content_type)


def read(job_id: uuid.UUID, path: str) -> Iterator[bytes]:
    """The file in chunks of 1 MiB."""
    body = _client().get_object(Bucket=settings.S3_BUCKET, Key=_key(job_id, path))["Body"]
    try:
        yield from body.iter_chunks(CHUNK)
    finally:
        body.close()
