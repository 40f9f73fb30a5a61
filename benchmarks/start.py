"""How long until the first page, and what an idle server takes of memory."""

from __future__ import annotations

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.line import BenchLine, limit

ROOT = Path(__file__).resolve().parent.parent
LATER_STARTS = 5
SETTLE_SECONDS = 20


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def started(home: Path) -> Iterator[tuple[float, int]]:
    """Seconds to the first page and the supervisor's pid; stopped afterwards."""
    port = free_port()
    environment = {**os.environ, "ATRIUM_HOME": str(home), "ATRIUM_PORT": str(port)}
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run", "all"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2):
                    break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError(f"the server ended with {process.returncode}; see {home}/logs") from None
                time.sleep(0.05)
        yield time.monotonic() - begun, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def proportional_bytes(pids: set[int]) -> int:
    """The sum of PSS: memory that processes share counts once."""
    total = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


def lines() -> Iterator[BenchLine]:
    with tempfile.TemporaryDirectory(prefix="atrium-bench-") as directory:
        home = Path(directory) / "home"
        with started(home) as (first, pid):
            yield limit("start.first_page_seconds", first, 60)
            time.sleep(SETTLE_SECONDS)
            yield limit("start.idle_gigabytes", proportional_bytes(family(pid)) / 1e9, 2, wall_clock=False)
        later = []
        for _ in range(LATER_STARTS):
            with started(home) as (seconds, _pid):
                later.append(seconds)
        yield limit("start.later_seconds", statistics.median(later), 8)
        demo_home = Path(directory) / "demo-home"
        environment = {**os.environ, "ATRIUM_HOME": str(demo_home), "ATRIUM_PORT": str(free_port())}
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "manage.py", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"the demo did not hold: {json.loads(done.stdout.splitlines()[-1])['failures']}")
        yield limit("demo.seconds_with_first_start", time.monotonic() - begun, 90)
