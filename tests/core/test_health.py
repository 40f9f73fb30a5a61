"""`/healthz` asks nobody; `/readyz` asks everybody, and names who is missing."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.test import Client

from apps.core import health

READY = {"postgresql": "ok", "valkey": "ok", "s3": "ok"}


@pytest.fixture(autouse=True)
def _fresh_s3_client() -> Iterator[None]:
    health._s3_client.cache_clear()
    yield
    health._s3_client.cache_clear()


@pytest.fixture
def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_alive_without_asking_anybody(client: Client) -> None:
    """Without `django_db`, a query would fail the test."""
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_ready_when_all_parts_answer(client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "missing": [], "parts": READY})


@pytest.mark.django_db
def test_what_is_missing_is_named(client: Client, settings: Any, dead_port: int) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{dead_port}/0"
    settings.S3_ENDPOINT_URL = f"http://127.0.0.1:{dead_port}"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["missing"] == ["s3", "valkey"]
    assert answer.json()["parts"] == {"postgresql": "ok", "valkey": "is not reachable", "s3": "is not reachable"}


@pytest.mark.django_db
def test_a_bucket_that_is_not_there_is_missing(client: Client, settings: Any) -> None:
    settings.S3_BUCKET = "no-such-bucket"
    assert client.get("/readyz").json()["missing"] == ["s3"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_gone_is_missing(client: Client) -> None:
    usable = connection.settings_dict["NAME"]
    connection.settings_dict["NAME"] = "no_such_database"
    try:
        answer = client.get("/readyz")
    finally:
        connection.settings_dict["NAME"] = usable
    assert (answer.status_code, answer.json()["missing"]) == (503, ["postgresql"])


@pytest.mark.django_db(transaction=True)
def test_a_database_older_than_the_code_is_not_ready(client: Client) -> None:
    server, _, _ = os.environ["DATABASE_OWNER_URL"].rpartition("/")
    with psycopg.connect(f"{server}/{connection.settings_dict['NAME']}", autocommit=True) as owner:
        owner.execute("DELETE FROM django_migrations WHERE app = 'webhooks'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"]["postgresql"] == "has migrations that are not applied"


@pytest.mark.django_db
def test_a_part_that_hangs_does_not_hang_the_answer(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(health, "PATIENCE", 0.3)
    monkeypatch.setattr(health, "CHECKS", {"s3": lambda: released.wait(20) and None})
    answer = client.get("/readyz")
    released.set()
    assert answer.json()["parts"] == {"s3": "did not answer in time"}


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_only_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405
