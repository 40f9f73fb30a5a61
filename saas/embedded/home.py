"""The data directory: where things lie, its secrets, its ports and its lock.

Guarantees: secrets are generated once and readable by their owner only; a port, once chosen, stays; at most one process
at a time runs services on a directory. Imports no Django, because settings read it.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOPBACK = "127.0.0.1"
# Below the kernel's ephemeral range, so that no outgoing connection sits on a port that we come back to; and low
# enough for the S3 server, whose admin worker dials its port + 10,000.
PORT_RANGE = range(12_000, 22_000)
KEPT_LOG_BYTES = 16 * 1024 * 1024


class HomeBusyError(RuntimeError):
    """Another process runs the services of this data directory."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the application signs, peppers and encrypts with."""

    secret_key: str
    token_pepper: str
    encryption_keys: str


class Home:
    """One ATRIUM_HOME. Cheap to make: nothing is created before it is asked for."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).resolve()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Home:
        checkout = Path(__file__).resolve().parent.parent.parent
        return cls(environ.get("ATRIUM_HOME") or checkout / ".atrium")

    def directory(self, name: str = ".") -> Path:
        """A directory of this home, made on first use, closed to other users."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    @property
    def bootstrap_file(self) -> Path:
        return self.path / "bootstrap.json"

    def log_file(self, name: str) -> Path:
        """Where that process writes; the file of earlier runs is set aside once it is large."""
        path = self.directory("logs") / f"{name}.log"
        if path.exists() and path.stat().st_size > KEPT_LOG_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
        return path

    # --- secrets ------------------------------------------------------------------------------------------------

    def secret(self, name: str, generate: Callable[[], str] = lambda: secrets.token_urlsafe(48)) -> str:
        """The secret of that name, generated at first need. Two processes that ask at once get the same one."""
        path = self.directory("secrets") / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            draft = path.with_name(f".{name}.{secrets.token_hex(8)}")
        write_private(draft, generate() + "\n")
        try:
            # link() refuses an existing name, and what it makes is complete from the first moment.
            os.link(draft, path)
        except FileExistsError:
            return path.read_text().strip()
        finally:
            draft.unlink()
        return path.read_text().strip()

    def secrets(self) -> Secrets:
        return Secrets(
            secret_key=self.secret("secret_key"),
            token_pepper=self.secret("token_pepper"),
            encryption_keys=self.secret("encryption_keys", _encryption_key),
        )

    # --- run/services.json --------------------------------------------------------------------------------------

    @property
    def services_file(self) -> Path:
        return self.path / "run" / "services.json"

    def services(self) -> dict[str, Any]:
        """What run/services.json says; empty before the first start."""
        try:
            record = json.loads(self.services_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return record if isinstance(record, dict) else {}

    def update_services(self, **changes: Any) -> dict[str, Any]:
        """Merge into run/services.json, atomically; None removes. Only the holder of the lock writes."""
        record = {key: value for key, value in {**self.services(), **changes}.items() if value is not None}
        draft = self.directory("run") / ".services.json"
        write_private(draft, json.dumps(record, indent=2, sort_keys=True) + "\n")
        draft.replace(self.services_file)
        return record

    def ports(self, names: Iterable[str]) -> dict[str, int]:
        """One free loopback port per name: the one of last time unless somebody else has taken it since."""
        record = self.services()
        kept: dict[str, int] = dict(record.get("ports", {}))
        receiver: int = record.get("webhook_receiver_port", 0)
        chosen: dict[str, int] = {}
        for name in names:
            taken = {receiver, *chosen.values(), *(port for other, port in kept.items() if other != name)}
            port = kept.get(name)
            chosen[name] = port if port and port not in chosen.values() and is_free(port) else free_port(taken)
        if any(kept.get(name) != port for name, port in chosen.items()):
            self.update_services(ports={**kept, **chosen})
        return chosen

    def webhook_receiver_port(self) -> int:
        """The loopback port on which a local receiver of webhooks may listen; never one of a service of ours.

        Kept even while taken: the one who listens there is the receiver that it is meant for.
        """
        record = self.services()
        ports: dict[str, int] = record.get("ports", {})
        port: int = record.get("webhook_receiver_port", 0)
        return port if port and port not in ports.values() else free_port(ports.values())

    # --- locks --------------------------------------------------------------------------------------------------

    def lock(self, patience: float = 0.0) -> FileLock:
        """Held by the process that runs the services. Raises HomeBusyError if another still does after `patience` s."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return FileLock(self.directory() / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise HomeBusyError(
                        f"{self.path} is in use by another Atrium: stop that one, or set ATRIUM_HOME."
                    ) from None
            time.sleep(0.05)

    def join(self) -> FileLock:
        """Held, by many at once, while using services that another command started: that command waits for us."""
        return FileLock(self.directory("run") / "users.lock", fcntl.LOCK_SH)

    def wait_until_unused(self) -> FileLock:
        """Returns when no command uses our services any more; until it is released, none begins to."""
        return FileLock(self.directory("run") / "users.lock", fcntl.LOCK_EX)


class FileLock:
    """flock on a file. The kernel drops it when the process ends, however it ends; children do not inherit it."""

    def __init__(self, path: Path, mode: int) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, mode)
        except BlockingIOError:
            self.release()
            raise

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now (connections of a former one that linger do not count)."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(taken: Iterable[int] = ()) -> int:
    """A loopback port on which nobody listens; random, so that two starts at one moment hardly choose the same."""
    avoided = set(taken)
    for _ in range(1000):
        port = random.choice(PORT_RANGE)
        if port not in avoided and is_free(port) and is_free(port + 10_000):
            return port
    raise RuntimeError(f"no free port between {PORT_RANGE.start} and {PORT_RANGE.stop}")


def _encryption_key() -> str:
    """A key id and a Fernet key (32 random bytes in URL-safe base64)."""
    return f"{secrets.token_hex(4)}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}"
