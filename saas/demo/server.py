"""A server to talk to: the one that runs on this ATRIUM_HOME already, or one of our own for as long as the demo takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 120
STOP_SECONDS = 30


@dataclass(frozen=True)
class Server:
    """Where a server is, and the operator's credentials."""

    url: str
    home: Path
    username: str
    token: str
    receiver_port: int
    started_here: bool

    def call(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Any:
        """One JSON request to Atrium's own API, as the operator."""
        request = urllib.request.Request(
            f"{self.url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", **(headers or {})},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                content = response.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()}") from error
        return json.loads(content) if content else None


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _describe(home: Path, url: str, *, started_here: bool) -> Server:
    services = json.loads((home / "run" / "services.json").read_text())
    token = json.loads((home / "bootstrap.json").read_text())["tokens"][0]
    return Server(
        url=url,
        home=home,
        username=token["owner"],
        token=token["token"],
        receiver_port=int(services["webhook_receiver_port"]),
        started_here=started_here,
    )


@contextmanager
def server(home: Path, url: str, manage: Path) -> Iterator[Server]:
    """Yields the running server, or starts `manage.py run all` and stops it afterwards."""
    if _ready(url) and (home / "bootstrap.json").exists():
        yield _describe(home, url, started_here=False)
        return
    process = subprocess.Popen(
        [sys.executable, str(manage), "run", "all"],
        start_new_session=True,
        env={**os.environ, "ATRIUM_HOME": str(home)},
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (_ready(url) and (home / "bootstrap.json").exists()):
            if process.poll() is not None:
                raise RuntimeError(
                    f"the server ended while starting (exit code {process.returncode}); see {home / 'logs'}"
                )
            if time.monotonic() > deadline:
                raise RuntimeError(f"the server was not ready within {START_SECONDS} s; see {home / 'logs'}")
            time.sleep(0.2)
        yield _describe(home, url, started_here=True)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
