"""One S3 client for the whole process, made for the server that the settings name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from django.conf import settings


@lru_cache(maxsize=1)
def client() -> Any:
    """A boto3 client; thread-safe, connections are pooled."""
    return boto3.client(
        "s3",
        endpoint_url=settings.S3_ENDPOINT_URL or None,
        aws_access_key_id=settings.S3_ACCESS_KEY_ID,
        aws_secret_access_key=settings.S3_SECRET_ACCESS_KEY,
        region_name=settings.S3_REGION,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=64,
            retries={"max_attempts": 4, "mode": "standard"},
            s3={"addressing_style": "path"},
            # Checksums of our own are stronger, and not every S3 server knows the SDK's new default.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def bucket() -> str:
    return settings.S3_BUCKET
