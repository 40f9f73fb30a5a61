"""The embedded services that this machine needs, as one: started together, stopped in reverse.

Guarantees: a service whose address the environment gives is not started; once `advance` said True, all of them answer.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from typing import Protocol

from saas.embedded.home import Home
from saas.embedded.postgres import Postgres
from saas.embedded.process import ServiceFailedError, tail
from saas.embedded.s3 import S3
from saas.embedded.valkey import Valkey

READY_TIMEOUT = 60.0
POLL_SECONDS = 0.05


class Service(Protocol):
    name: str
    port_names: tuple[str, ...]
    process: subprocess.Popen[bytes] | None

    def attach(self, ports: Mapping[str, int]) -> None: ...
    def start(self, ports: Mapping[str, int]) -> None: ...
    def is_ready(self) -> bool: ...
    def prepare(self) -> None: ...
    def stop(self) -> None: ...
    def environment(self) -> dict[str, str]: ...


def needed_services(home: Home, environ: Mapping[str, str]) -> list[Service]:
    """Slowest to come up first, except PostgreSQL, whose first start blocks for the second that initdb takes."""
    needed: list[Service] = []
    if not environ.get("S3_ENDPOINT_URL"):
        needed.append(S3(home, environ.get("S3_BUCKET") or "atrium"))
    if not environ.get("REDIS_URL"):
        needed.append(Valkey(home))
    if not environ.get("DATABASE_URL"):
        needed.append(Postgres(home))
    return needed


class EmbeddedServices:
    """Use while holding the home's lock, from the main thread: services live as long as the thread that starts them."""

    def __init__(self, home: Home, services: list[Service]) -> None:
        self.home = home
        self.services = services
        self._waiting: list[Service] = []
        self._deadline = 0.0

    def launch(self) -> None:
        """Start every service's process; `advance` says when they answer."""
        ports = self.home.ports(name for service in self.services for name in service.port_names)
        self._deadline = time.monotonic() + READY_TIMEOUT
        for service in self.services:
            service.start(ports)
            self._waiting.append(service)

    def relaunch(self, service: Service) -> None:
        """Start one that ended; its clients find it at the same address."""
        service.stop()
        # Not `ports`, which would look for other ones while somebody sits on these.
        service.start(self.home.services()["ports"])

    def advance(self) -> bool:
        """Look once after those that do not answer yet. True when all do. Raises ServiceFailedError."""
        for service in list(self._waiting):
            if service.is_ready():
                service.prepare()
                self._waiting.remove(service)
            elif service.process is None or service.process.poll() is not None:
                raise self._failed(service, "ended while starting")
            elif time.monotonic() > self._deadline:
                raise self._failed(service, f"did not answer within {READY_TIMEOUT:.0f} s")
        return not self._waiting

    def start(self) -> None:
        """Launch and wait until all of them answer; on failure none is left running."""
        try:
            self.launch()
            while not self.advance():
                time.sleep(POLL_SECONDS)
        except BaseException:
            self.stop()
            raise

    def attach(self) -> bool:
        """Find those that another process runs. False while one of them does not answer."""
        ports = self.home.services().get("ports", {})
        for service in self.services:
            if not set(service.port_names) <= set(ports):
                return False
            service.attach(ports)
        return all(service.is_ready() for service in self.services)

    def stop(self) -> None:
        for service in reversed(self.services):
            service.stop()
        self._waiting.clear()

    def environment(self) -> dict[str, str]:
        merged: dict[str, str] = {}
        for service in self.services:
            merged.update(service.environment())
        return merged

    def pids(self) -> dict[str, int]:
        return {service.name: service.process.pid for service in self.services if service.process is not None}

    def _failed(self, service: Service, what: str) -> ServiceFailedError:
        log = self.home.log_file(service.name)
        return ServiceFailedError(f"{service.name} {what}; the end of {log}:\n{tail(log)}")
