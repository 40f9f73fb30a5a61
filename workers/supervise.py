"""A job's child process from start to end: heartbeat while it lives, SIGTERM then SIGKILL when it is asked to stop or loses its lease."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import structlog

from apps.jobs import leases
from apps.jobs.exceptions import LeaseLost
from apps.jobs.leases import Lease
from workers.exit_codes import ENDED

log = structlog.get_logger(__name__)
GRACE_SECONDS = 10
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Runs in the child before exec: a parent that is killed -9 leaves no orphan computing for nobody."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def supervise(lease: Lease) -> None:
    """Runs the child and waits for it. Whatever happens, the job ends, or is queued again."""
    heartbeat = max(0.5, leases.lease_length().total_seconds() / 6)
    try:
        token = leases.issue_token(lease)
    except LeaseLost:
        return
    ticket = {**{key: str(value) for key, value in asdict(lease).items()}, "attempt": lease.attempt, "token": token}
    child = subprocess.Popen(
        [sys.executable, "-m", "workers.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_die_with_parent,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdin is not None
    # The ticket goes through a pipe: a token does not belong in an environment that /proc shows.
    child.stdin.write(json.dumps(ticket).encode())
    child.stdin.close()
    try:
        stopping = _wait(child, lease, heartbeat)
    finally:
        # Whatever went wrong here, nobody computes on for a lease that nobody renews.
        _end(child)
    _close(lease, child.returncode, stopping=stopping)


def _wait(child: subprocess.Popen[bytes], lease: Lease, heartbeat: float) -> bool:
    """Until the child has ended; True when the job was asked to stop."""
    while True:
        try:
            child.wait(timeout=heartbeat)
            return False
        except subprocess.TimeoutExpired:
            pass
        try:
            if leases.renew(lease):
                _end(child)
                return True
        except LeaseLost:
            # The child has recorded the job's end and is on its way out, or another worker has the job.
            _end(child, patience=GRACE_SECONDS)
            return False


def _end(child: subprocess.Popen[bytes], *, patience: float = 0) -> None:
    """Waits for the child, then asks it to stop, then makes it."""
    try:
        child.wait(timeout=patience)
        return
    except subprocess.TimeoutExpired:
        child.terminate()
    try:
        child.wait(timeout=GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _close(lease: Lease, code: int | None, *, stopping: bool) -> None:
    """The child that ended by itself has said how; for one that did not, the parent says it."""
    try:
        if stopping:
            leases.stop(lease)
        elif code != ENDED:
            leases.give_back(lease, reason=f"worker_exited_{code}")
    except LeaseLost:
        log.info("job.already_ended", job_id=str(lease.job_id))
