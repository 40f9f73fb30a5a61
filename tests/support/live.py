"""A whole server of its own: `manage.py run all` in a data directory that nobody else uses, with everything real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from saas.embedded.home import Home, free_port
from saas.embedded.process import die_with_parent, processes_in, processes_with, state, tail
from saas.supervisor import INSTANCE
from tests.support.servers import FOREIGN, ROOT, RUN_DIRECTORY

T = TypeVar("T")
START_SECONDS = 100.0


def wait_until(condition: Callable[[], T], timeout: float = 30.0, *, what: str = "the condition") -> T:
    """Ask again until the answer is true, and return it. Fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout:g} s")
        time.sleep(0.05)
    return answer


class Live:
    """One server. `start` returns when it is ready; `stop` asks it to end, `destroy` removes its data too.

    With `like` it begins with a copy of that data directory of a server that has been stopped.
    """

    def __init__(
        self,
        *,
        like: Path | None = None,
        host: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        # Inside this test run's directory, whose lock keeps other runs from taking it for abandoned.
        self.home = Home(tempfile.mkdtemp(prefix="live-", dir=os.environ.get(RUN_DIRECTORY)))
        if like is not None:
            shutil.copytree(
                like, self.home.path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run", "logs", "*.sock")
            )
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)},
            "ATRIUM_HOME": str(self.home.path),
            "ATRIUM_HOST": host,
            "ATRIUM_PORT": str(self.port),
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.output = self.home.path / "output"

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> Live:
        self.launch()
        wait_until(self._ready_or_dead, START_SECONDS, what=f"the start of Atrium in {self.home.path}")
        return self

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the supervisor without waiting for anything."""
        parent = os.getpid()
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, ROOT / "manage.py", "run", "all"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=lambda: die_with_parent(signal.SIGKILL, parent=parent),
            )
        return self.process

    def _ready_or_dead(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"Atrium ended with {self.process.returncode}:\n{self.said()}\n{self._logs()}")
        # Written anew at each start, once the first page was answered.
        record = self.home.services()
        return record.get("supervisor_pid") == self.process.pid and "url" in record

    def stop(self) -> int:
        """A clean stop; the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def destroy(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        instance = self.home.services().get("instance")
        folders = [path for name in ("postgres/18", "valkey", "s3") if (path := self.home.path / name).exists()]

        def survivors() -> list[int]:
            children = processes_with(INSTANCE, instance) if instance else []
            return children + [pid for folder in folders for pid in processes_in(folder)]

        wait_until(lambda: not survivors(), what=f"the end of {survivors()}")
        shutil.rmtree(self.home.path, ignore_errors=True)

    # --- who and what -------------------------------------------------------------------------------------------

    @property
    def pids(self) -> dict[str, int]:
        """By name: postgres, valkey, s3, web, control, ml, scheduler."""
        pids: dict[str, int] = self.home.services().get("pids", {})
        return pids

    @property
    def operator_token(self) -> str:
        token: str = json.loads(self.home.bootstrap_file.read_text())["tokens"][0]["token"]
        return token

    @property
    def webhook_receiver_port(self) -> int | None:
        return self.home.services().get("webhook_receiver_port")

    def said(self) -> str:
        """What the terminal shows."""
        return self.output.read_text(errors="replace")

    def log(self, name: str) -> str:
        return self.home.log_file(name).read_text(errors="replace")

    def _logs(self) -> str:
        return "\n".join(f"--- {log.name}\n{tail(log)}" for log in sorted((self.home.path / "logs").glob("*.log")))

    # --- helpers ------------------------------------------------------------------------------------------------

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A management command that joins this server's services."""
        result = subprocess.run(
            [sys.executable, ROOT / "manage.py", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def bootstrap(
        self,
        users: Sequence[str | Mapping[str, Any]] = (),
        organisations: Sequence[Mapping[str, Any]] = (),
        tokens: Sequence[Mapping[str, str]] = (),
    ) -> dict[tuple[str, str], str]:
        """Create them through `manage.py bootstrap`. A user may be just a name. Returns tokens by (owner, name).

        Without `tokens`, each user gets a write token named "write".
        """
        entries = [_user(user) if isinstance(user, str) else dict(user) for user in users]
        wanted = {
            "users": entries,
            "organisations": [dict(organisation) for organisation in organisations],
            "tokens": [dict(token) for token in tokens]
            or [{"owner": user["username"], "name": "write", "role": "write"} for user in entries],
        }
        with tempfile.TemporaryDirectory(dir=self.home.path) as directory:
            source, out = Path(directory) / "in.yaml", Path(directory) / "out.json"
            source.write_text(json.dumps(wanted))
            self.manage("bootstrap", str(source), "--out", str(out))
            written = json.loads(out.read_text())
        return {(row["owner"], row["name"]): row["token"] for row in written["tokens"]}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Kill one process and wait until it is gone. Returns its number."""
        pid = self.pids[name]
        os.kill(pid, number)
        wait_until(lambda: state(pid) in ("", "Z"), what=f"the end of {name}")
        return pid

    def wait_restarted(self, name: str, former: int, timeout: float = 30.0) -> int:
        """Wait until another process than `former` has that name and lives."""

        def restarted() -> int | None:
            pid = self.pids.get(name)
            return pid if pid and pid != former and state(pid) not in ("", "Z") else None

        return wait_until(restarted, timeout, what=f"the restart of {name}") or former

    def wait_until(self, condition: Callable[[], T], timeout: float = 30.0, *, what: str = "the condition") -> T:
        return wait_until(condition, timeout, what=what)


def _user(name: str) -> dict[str, str]:
    return {
        "username": name,
        "full_name": name.capitalize(),
        "email": f"{name}@example.org",
        "password": f"{name}-correct-horse-battery",
    }
