"""Child processes that cannot outlive us, and the leftovers of those whose parent was killed.

Guarantees: a child gets its death signal when the thread that started it ends, however it ends (so start children from
the main thread); a process that still works in a directory is found by that, not by a number in a file.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

MAPPED_UID = 1000
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CLONE_NEWUSER = 0x10000000


class ServiceFailedError(RuntimeError):
    """A service cannot run here, ended, or did not answer in time; the message says what to do or ends with its log."""


def spawn(
    argv: Sequence[str | Path],
    *,
    death_signal: signal.Signals,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    become: Callable[[], None] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, tied to the life of the calling thread; its output goes to `log`.

    `become` runs in the child before the program does and may change who it is.
    """
    parent = os.getpid()

    def prepare() -> None:
        if become is not None:
            become()
        # After `become`: the kernel forgets the death signal when the credentials change.
        die_with_parent(death_signal, parent=parent)

    with log.open("ab") as output:
        return subprocess.Popen(
            [os.fspath(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=None if env is None else dict(env),
            cwd=cwd,
            preexec_fn=prepare,
            process_group=0,
        )


def die_with_parent(death_signal: signal.Signals, *, parent: int) -> None:
    """This process gets the signal when the thread that started it ends; it ends now if `parent` is already gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def stop(process: subprocess.Popen[bytes], *, with_signal: signal.Signals, timeout: float) -> None:
    """Ask, wait, then kill the whole group. Returns when the process is gone."""
    if process.poll() is None:
        process.send_signal(with_signal)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
    kill_group(process.pid)
    process.wait()


def kill_group(group: int) -> None:
    """Kill what is left of a process group; its leader may be gone."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def become_mapped_user() -> None:
    """Root outside, an ordinary user inside: PostgreSQL agrees to run, and its files need no other owner.

    Same as `unshare --user --map-user=1000`. Raises OSError where user namespaces are forbidden.
    """
    uid, gid = os.geteuid(), os.getegid()
    # An ambient CAP_DAC_READ_SEARCH would survive and make initdb fail.
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    if _libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER) refused")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{MAPPED_UID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{MAPPED_UID} {gid} 1")


def become_user(uid: int) -> Callable[[], None]:
    """For `spawn` as root: drop to that user and to the group of the same number, for good."""

    def become() -> None:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)

    return become


def processes_in(directory: Path) -> list[int]:
    """Living processes that work in that directory: each embedded service has one of its own."""

    def works_there(pid: int) -> bool:
        return os.path.samefile(os.readlink(f"/proc/{pid}/cwd"), directory)

    return _living(works_there)


def processes_with(variable: str, value: str) -> list[int]:
    """Living processes that were started with that variable in their environment, ourselves left out."""
    assignment = f"{variable}={value}".encode()

    def carries(pid: int) -> bool:
        return pid != os.getpid() and assignment in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")

    return _living(carries)


def state(pid: int) -> str:
    """One letter, see proc_pid_stat(5); empty when there is no such process."""
    try:
        # The name in parentheses may contain anything, so read from its end.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def end_leftovers(find: Callable[[], Iterable[int]], *, patience: float) -> None:
    """Return once `find` finds nobody. Those that it still finds after `patience` seconds are killed."""
    deadline = time.monotonic() + patience
    while pids := list(find()):
        if time.monotonic() > deadline:
            for pid in pids:
                _kill(pid)
        time.sleep(0.05)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


def _living(matches: Callable[[int], bool]) -> list[int]:
    """Zombies are not living: they hold nothing, and only their parent can remove them."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if matches(int(entry)) and state(int(entry)) not in ("", "Z"):
                    found.append(int(entry))
            except OSError:
                # Gone meanwhile, or another user's.
                continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
