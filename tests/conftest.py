"""What every test gets: real servers of this run's own, a database as the runtime role, no network beyond loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from _pytest.nodeid import NodeId

from tests.support.live import Live
from tests.support.plugin import ADDRESS
from tests.support.servers import Address, attached_s3

if TYPE_CHECKING:
    from redis import Redis


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Address:
    """Where this run's servers are."""
    return pytestconfig.stash[ADDRESS]


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, servers: Address, s3_bucket: str) -> None:
    """This worker's database, copied from the migrated one."""
    from django.conf import settings

    from tests.support import databases

    databases.create_copy(settings.DATABASES["default"]["NAME"])
    databases.commit_into_copies()


@pytest.fixture(scope="session")
def s3_bucket(servers: Address) -> str:
    """This worker's bucket."""
    name = os.environ["S3_BUCKET"]
    attached_s3(servers).create_bucket(name)
    return name


@pytest.fixture(scope="session")
def valkey() -> Iterator[Redis]:
    """A client of this worker's Valkey database."""
    import redis

    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        yield client


@pytest.fixture(autouse=True)
def _empty_valkey(request: pytest.FixtureRequest) -> None:
    """Counters and caches of one test are not seen by the next."""
    if request.node.get_closest_marker("django_db") or "db" in request.fixturenames or "valkey" in request.fixturenames:
        request.getfixturevalue("valkey").flushdb()


@pytest.fixture(scope="session")
def laid_out() -> Iterator[Path]:
    """The data directory of a server that has been started once, and stopped: what the others begin with."""
    server = Live()
    try:
        server.start()
        assert server.stop() == 0
        yield server.home.path
    finally:
        server.destroy()


@pytest.fixture(scope="session")
def live(laid_out: Path) -> Iterator[Live]:
    """One whole server for all tests that only use it, started by the first of them."""
    server = Live(like=laid_out)
    try:
        yield server.start()
    finally:
        server.destroy()


@pytest.fixture
def fresh_live(laid_out: Path) -> Iterator[Live]:
    """A whole server of this test's own, for those that kill or stop it. Ready when handed over."""
    server = Live(like=laid_out)
    try:
        yield server.start()
    finally:
        server.destroy()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"laid_out", "live", "fresh_live"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.live)
        if item.get_closest_marker("live") and "PYTEST_XDIST_WORKER" in os.environ:
            # All on one worker, so that they share one server. xdist 3.8 takes the group from the end of the name, and
            # its own way of writing it there (`_nodeid`) is without effect since pytest 9.2.
            item._id = NodeId.parse(f"{item.nodeid}@live")  # type: ignore[attr-defined]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device on this machine")
