"""One PostgreSQL, Valkey and S3 server per test run, in a data directory of their own.

They live as long as the process that started them: the controller under xdist, else pytest itself, however it ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from saas.embedded.home import FileLock, Home, HomeBusyError
from saas.embedded.postgres import DATABASE, Postgres
from saas.embedded.process import kill_group
from saas.embedded.s3 import S3
from saas.embedded.services import EmbeddedServices
from saas.embedded.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent.parent
PREFIX = "atrium-test-"
RUN_DIRECTORY = "TEST_RUN_DIRECTORY"
# Settings of the machine that would lead tests away from their own servers.
FOREIGN = ("ATRIUM_", "DATABASE_", "REDIS_URL", "S3_", "EMAIL_URL", "HF_", "AWS_", "DJANGO_")
# Nothing here has to survive a power cut.
FAST_POSTGRES = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
FAST_VALKEY = {"appendonly": "no", "save": '""'}


@dataclass(frozen=True)
class Address:
    """What a test process must know; plain strings, because xdist sends it to the workers."""

    home: str
    environment: dict[str, str]


class Servers:
    """Started with `start`; the database `atrium` is migrated and then only copied."""

    def __init__(self) -> None:
        _remove_abandoned()
        self.home = Home(tempfile.mkdtemp(prefix=PREFIX))
        self._lock: FileLock = self.home.lock()
        self._services = EmbeddedServices(
            self.home, [S3(self.home), Valkey(self.home, FAST_VALKEY), Postgres(self.home, FAST_POSTGRES)]
        )

    def start(self) -> Address:
        self._services.start()
        environment = self._services.environment()
        migrate(self.home.path, environment)
        return Address(str(self.home.path), environment)

    def stop(self) -> None:
        # Killed, not asked: what they would take their time to save is thrown away.
        for pid in self._services.pids().values():
            kill_group(pid)
        self._services.stop()
        self._lock.release()
        shutil.rmtree(self.home.path, ignore_errors=True)


def migrate(home: Path, environment: Mapping[str, str]) -> None:
    """As an operator does it: as the owner role, in a process of its own."""
    result = subprocess.run(
        [sys.executable, ROOT / "manage.py", "migrate", "--verbosity", "0", "--skip-checks"],
        env={**os.environ, **environment, "ATRIUM_HOME": str(home), "ATRIUM_DB_ROLE": "owner"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if result.returncode:
        raise RuntimeError(f"migrate failed:\n{result.stdout}{result.stderr}")


def worker_environment(address: Address, worker: str) -> dict[str, str]:
    """The same servers, and in each a place that no other worker writes to."""
    number = int(worker.removeprefix("gw")) + 1 if worker.startswith("gw") else 0
    database = f"test_{worker}"
    base = address.environment
    home = Path(address.home) / "homes" / worker
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {
        **base,
        "ATRIUM_HOME": str(home),
        "DATABASE_URL": base["DATABASE_URL"].removesuffix(f"/{DATABASE}") + f"/{database}",
        "DATABASE_OWNER_URL": base["DATABASE_OWNER_URL"].removesuffix(f"/{DATABASE}") + f"/{database}",
        "REDIS_URL": base["REDIS_URL"].removesuffix("/0") + f"/{number}",
        "S3_BUCKET": f"test-{worker}",
        "DJANGO_SETTINGS_MODULE": "saas.settings",
        RUN_DIRECTORY: address.home,
    }


def attached_s3(address: Address) -> S3:
    home = Home(address.home)
    s3 = S3(home)
    s3.attach(home.services()["ports"])
    return s3


def _remove_abandoned() -> None:
    """Data directories of test runs that were killed; those whose run still lives are locked."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            with Home(path).lock():
                shutil.rmtree(path, ignore_errors=True)
        except (HomeBusyError, OSError):
            continue
