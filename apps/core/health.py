"""`/healthz` says that the process answers; `/readyz` that all it needs does too, or within seconds what is missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import boto3
import redis
import structlog
from botocore.config import Config
from django.conf import settings
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

log = structlog.get_logger(__name__)
# Of all checks together; each one's own time-outs are shorter, so that no thread is held much longer.
PATIENCE = 3.0
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="readyz")


class NotMigrated(RuntimeError):
    """The database is older than the code."""


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process is alive; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when every part is reachable, else 503 naming those that are not."""
    parts = run_checks()
    missing = sorted(name for name, problem in parts.items() if problem)
    body = {
        "status": "unavailable" if missing else "ok",
        "missing": missing,
        "parts": {name: problem or "ok" for name, problem in parts.items()},
    }
    return JsonResponse(body, status=503 if missing else 200)


# Read by the route × role test: both are for everybody.
healthz.atrium_action = {"GET": "open"}  # type: ignore[attr-defined]
readyz.atrium_action = {"GET": "open"}  # type: ignore[attr-defined]


def run_checks() -> dict[str, str]:
    """Each part's problem, or "" where there is none. Returns within PATIENCE."""
    ends = time.monotonic() + PATIENCE
    running = {name: _pool.submit(check) for name, check in CHECKS.items()}
    return {name: _problem(name, future, ends) for name, future in running.items()}


def _problem(name: str, future: Future[None], ends: float) -> str:
    try:
        future.result(timeout=max(0.0, ends - time.monotonic()))
    except TimeoutError:
        return "did not answer in time"
    except NotMigrated:
        return "has migrations that are not applied"
    except Exception as error:  # noqa: BLE001  (whatever a driver raises: the part is not usable; the log says how)
        log.warning("readyz.failed", part=name, error=str(error), kind=type(error).__name__)
        return "is not reachable"
    return ""


def _postgresql() -> None:
    """Answers, as the role and through the pool that requests use, and knows every migration."""
    connection = connections["default"]
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = '2s'")
            cursor.execute("SELECT 1")
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise NotMigrated
    finally:
        _reset(connection)


def _reset(connection: Any) -> None:
    if connection.connection is not None and connection.is_usable():
        with connection.cursor() as cursor:
            cursor.execute("RESET statement_timeout")
    connection.close()


def _valkey() -> None:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
        client.ping()


@lru_cache(maxsize=1)
def _s3_client() -> Any:
    """Impatient, unlike the one that moves files (apps.core.s3)."""
    return boto3.client(
        "s3",
        endpoint_url=settings.S3_ENDPOINT_URL or None,
        aws_access_key_id=settings.S3_ACCESS_KEY_ID,
        aws_secret_access_key=settings.S3_SECRET_ACCESS_KEY,
        region_name=settings.S3_REGION,
        config=Config(
            connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
        ),
    )


def _s3() -> None:
    _s3_client().head_bucket(Bucket=settings.S3_BUCKET)


CHECKS: dict[str, Callable[[], None]] = {"postgresql": _postgresql, "valkey": _valkey, "s3": _s3}
