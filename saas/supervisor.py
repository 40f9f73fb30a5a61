"""`manage.py run all`: every process of one machine, started in order, kept alive, stopped in reverse.

Guarantees: one supervisor per data directory; its own kill -9 takes every process along, and the next start cleans up
whatever is left; a process that ends is started again, ever more patiently; SIGTERM and SIGINT end it cleanly.
"""

from __future__ import annotations

import asyncio
import http.client
import ipaddress
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from saas.embedded import require_owner_url
from saas.embedded.home import LOOPBACK, Home, HomeBusyError, is_free
from saas.embedded.process import ServiceFailedError, end_leftovers, kill_group, processes_with, spawn, stop, tail
from saas.embedded.services import POLL_SECONDS, EmbeddedServices, Service, needed_services
from saas.layout import ROOT, Layout, credentials

MANAGE = (sys.executable, str(ROOT / "manage.py"))
ROLES = ("web", "control", "ml", "scheduler")
INSTANCE = "ATRIUM_INSTANCE"
WATCH_SECONDS = 0.2
FIRST_DELAY, LONGEST_DELAY, STEADY_SECONDS = 0.5, 30.0, 30.0
READY_SECONDS = 60.0
STOP_SECONDS = 15.0


@dataclass
class Unit:
    """One process that is to be alive."""

    name: str
    start: Callable[[], None]
    process: Callable[[], subprocess.Popen[bytes] | None]
    delay: float = FIRST_DELAY
    started: float = 0.0
    due: float | None = None


class Supervisor:
    """`say` shows one short line to whoever started it; everything else goes to ATRIUM_HOME/logs."""

    def __init__(self, home: Home, *, host: str, port: int, say: Callable[[str], None]) -> None:
        self.home, self.host, self.port, self.say = home, host, port, say
        self.services = EmbeddedServices(home, needed_services(home, os.environ))
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.units: list[Unit] = []
        self.environment: dict[str, str] = {}
        self._stopping = False

    async def run(self) -> int:
        """Returns the exit code: 0 after a signal, 1 when it could not start."""
        if os.environ.get("DATABASE_URL"):
            require_owner_url()
        try:
            lock = self.home.lock(patience=2)
        except HomeBusyError as error:
            self.say(str(error))
            return 1
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, task)
        try:
            await self._start()
            await self._watch()
        except asyncio.CancelledError:
            self.say("Stopping")
            return 0
        except ServiceFailedError as error:
            self.say(str(error))
            return 1
        finally:
            self._stopping = True
            await self._stop()
            lock.release()
        return 0

    def _on_signal(self, task: asyncio.Task[int]) -> None:
        if not self._stopping:
            self._stopping = True
            task.cancel()
            return
        # Asked twice: those that still take their time are not waited for.
        for process in self.children.values():
            kill_group(process.pid)

    # --- start --------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        if not is_free(self.port, self.host):
            raise ServiceFailedError(f"Port {self.port} of {self.host} is taken; set ATRIUM_PORT to another one.")
        first = not self.home.bootstrap_file.exists()
        self._clean_up()
        self.say(f"Atrium starts; its data and logs are in {self.home.path}")
        self.services.launch()
        while not self.services.advance():
            await asyncio.sleep(POLL_SECONDS)
        self.environment = self._environment()
        await self._lay_out()
        self.units = [self._service_unit(service) for service in self.services.services]
        self.units += [self._child_unit(role) for role in ROLES]
        for unit in self.units:
            unit.started = time.monotonic()
        for role in ROLES:
            self._start_child(role)
        self._record()
        await self._web_ready()
        self._welcome(first)

    def _clean_up(self) -> None:
        """What survived a kill -9, in spite of its death signal, must not work beside its successors."""
        former = self.home.services().get("instance")
        if former:
            end_leftovers(lambda: processes_with(INSTANCE, former), patience=1.0)
        self.home.update_services(
            instance=secrets.token_hex(16),
            supervisor_pid=os.getpid(),
            webhook_receiver_port=self.home.webhook_receiver_port() if self._is_loopback() else None,
            pids=None,
            url=None,
        )

    def _is_loopback(self) -> bool:
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def _environment(self) -> dict[str, str]:
        record = self.home.services()
        environment = {
            **os.environ,
            **self.services.environment(),
            "ATRIUM_HOME": str(self.home.path),
            "ATRIUM_HOST": self.host,
            "ATRIUM_PORT": str(self.port),
            INSTANCE: record["instance"],
        }
        environment.setdefault("ATRIUM_INTERNAL_URL", f"http://{self._reachable_host()}:{self.port}")
        if receiver := record.get("webhook_receiver_port"):
            allowed = [os.environ.get("ATRIUM_SAFE_HTTP_ALLOW", ""), f"{LOOPBACK}/32:{receiver}"]
            environment["ATRIUM_SAFE_HTTP_ALLOW"] = ",".join(filter(None, allowed))
        return environment

    def _reachable_host(self) -> str:
        host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host

    async def _lay_out(self) -> None:
        """Migrate as the owner and create the operator; nothing if this very code has done so here before."""
        layout = Layout(self.home, os.environ.get("DATABASE_OWNER_URL"))
        if layout.is_done():
            return
        self.say("Migrating the database")
        await self._command("migrate", "--skip-checks", ATRIUM_DB_ROLE="owner")
        with layout.bootstrap_input() as wanted:
            await self._command("bootstrap", str(wanted), "--out", str(self.home.bootstrap_file))
        layout.mark_done()

    async def _command(self, name: str, *arguments: str, **variables: str) -> None:
        log = self.home.log_file(name)
        process = spawn(
            [*MANAGE, name, *arguments],
            death_signal=signal.SIGKILL,
            log=log,
            env={**self.environment, **variables},
            cwd=ROOT,
        )
        try:
            while process.poll() is None:
                await asyncio.sleep(POLL_SECONDS)
        finally:
            stop(process, with_signal=signal.SIGTERM, timeout=STOP_SECONDS)
        if process.returncode:
            raise ServiceFailedError(f"`manage.py {name}` failed; the end of {log}:\n{tail(log)}")

    def _start_child(self, role: str) -> None:
        # The application has no use for the owner's password.
        environment = {key: value for key, value in self.environment.items() if key != "DATABASE_OWNER_URL"}
        self.children[role] = spawn(
            [*MANAGE, "run", role],
            death_signal=signal.SIGKILL,
            log=self.home.log_file(role),
            env=environment,
            cwd=ROOT,
        )

    async def _web_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not await asyncio.to_thread(self._answers):
            if self.children["web"].poll() is not None or time.monotonic() > deadline:
                log = self.home.log_file("web")
                raise ServiceFailedError(f"web did not become ready; the end of {log}:\n{tail(log)}")
            await asyncio.sleep(POLL_SECONDS)
        self.home.update_services(url=f"http://{self._reachable_host()}:{self.port}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._reachable_host().strip("[]"), self.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _welcome(self, first: bool) -> None:
        self.say(f"Atrium is ready at http://{self._reachable_host()}:{self.port}")
        if first:
            user, token = credentials(self.home)
            self.say(f"  log in as {user['username']} with password {user['password']}")
            self.say(f"  write token {token}")
        self.say(f"  the operator's credentials are in {self.home.bootstrap_file}")
        if receiver := self.home.services().get("webhook_receiver_port"):
            self.say(f"  webhooks may be sent to a receiver on {LOOPBACK}:{receiver}")

    # --- keep alive ---------------------------------------------------------------------------------------------

    def _service_unit(self, service: Service) -> Unit:
        return Unit(service.name, lambda: self.services.relaunch(service), lambda: service.process)

    def _child_unit(self, role: str) -> Unit:
        return Unit(role, lambda: self._start_child(role), lambda: self.children.get(role))

    async def _watch(self) -> None:
        while True:
            for unit in self.units:
                self._revive(unit, time.monotonic())
            await asyncio.sleep(WATCH_SECONDS)

    def _revive(self, unit: Unit, now: float) -> None:
        process = unit.process()
        if process is not None and process.poll() is None:
            if now - unit.started > STEADY_SECONDS:
                unit.delay = FIRST_DELAY
        elif unit.due is None:
            if process is not None:
                # What it started itself must not work beside its successor.
                kill_group(process.pid)
            self.say(f"{unit.name} ended; it starts again in {unit.delay:g} s (see {self.home.log_file(unit.name)})")
            unit.due, unit.delay = now + unit.delay, min(unit.delay * 2, LONGEST_DELAY)
        elif now >= unit.due:
            unit.due, unit.started = None, now
            unit.start()
            self._record()

    def _record(self) -> None:
        self.home.update_services(pids={**self.services.pids(), **{k: p.pid for k, p in self.children.items()}})

    # --- stop ---------------------------------------------------------------------------------------------------

    async def _stop(self) -> None:
        """First those who take work; then web, through which they hand in results; then what all of them need."""
        takers = [self.children[role] for role in reversed(ROLES) if role != "web" and role in self.children]
        await self._stop_children(takers)
        await self._stop_children([self.children[role] for role in ("web",) if role in self.children])
        self.services.stop()
        self.home.update_services(pids=None, supervisor_pid=None, url=None)

    async def _stop_children(self, processes: list[subprocess.Popen[bytes]]) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
            await asyncio.sleep(POLL_SECONDS)
        for process in processes:
            stop(process, with_signal=signal.SIGKILL, timeout=STOP_SECONDS)
