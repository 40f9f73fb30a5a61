"""`manage.py run all`: one per data directory, alive again after kills, gone without a trace when stopped or killed."""

from __future__ import annotations

import json
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from saas.embedded.process import processes_in, processes_with, state
from saas.supervisor import INSTANCE, ROLES
from tests.support.live import Live, wait_until

PROCESSES = {"postgres", "valkey", "s3", *ROLES}


@pytest.fixture
def stopped_live(laid_out: Path) -> Iterator[Live]:
    """A server of this test's own that has run before and does not run now."""
    server = Live(like=laid_out)
    yield server
    server.destroy()


def _alive(live: Live) -> list[int]:
    """Every process of this server, found by what it carries and where it works, not by what the server wrote down."""
    folders = [live.home.path / name for name in ("postgres/18", "valkey", "s3")]
    return processes_with(INSTANCE, live.home.services()["instance"]) + [
        pid for f in folders for pid in processes_in(f)
    ]


def _serves(live: Live) -> bool:
    try:
        return httpx.get(f"{live.base_url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def _environment_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair)


def test_every_process_runs_and_the_first_page_is_answered(live: Live) -> None:
    assert set(live.pids) == PROCESSES
    assert all(state(pid) not in ("", "Z") for pid in live.pids.values())
    assert _serves(live)
    assert f"Atrium is ready at {live.base_url}" in live.said()


def test_second_supervisor_is_refused_and_the_first_goes_on(live: Live) -> None:
    refused = live.manage("run", "all", check=False)
    assert refused.returncode == 1
    assert "in use by another Atrium" in refused.stdout
    assert _serves(live)


def test_management_command_joins_the_running_server(live: Live) -> None:
    before = live.pids
    tokens = live.bootstrap(users=["alice"])
    assert tokens["alice", "write"]
    assert live.pids == before


def test_credentials_are_kept_for_the_owner_only(live: Live) -> None:
    file = live.home.bootstrap_file
    known = json.loads(file.read_text())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert known["users"][0].keys() == {"username", "password"}
    assert known["tokens"][0]["token"] == live.operator_token
    assert not (live.home.path / "run" / "bootstrap.yaml").exists()


def test_application_does_not_get_the_owners_password(live: Live) -> None:
    assert all("DATABASE_OWNER_URL" not in _environment_of(live.pids[role]) for role in ROLES)


def test_receiver_port_is_opened_while_bound_to_loopback(live: Live) -> None:
    port = live.webhook_receiver_port
    assert port
    for role in ROLES:
        assert _environment_of(live.pids[role])["ATRIUM_SAFE_HTTP_ALLOW"] == f"127.0.0.1/32:{port}"
    assert f"127.0.0.1:{port}" in live.said()


def test_no_receiver_port_is_opened_when_bound_beyond_loopback(laid_out: Path) -> None:
    live = Live(like=laid_out, host="0.0.0.0")
    # Left behind by an earlier start that was bound to loopback.
    live.home.update_services(webhook_receiver_port=12345)
    try:
        live.start()
        assert live.webhook_receiver_port is None
        assert all("ATRIUM_SAFE_HTTP_ALLOW" not in _environment_of(live.pids[role]) for role in ROLES)
    finally:
        live.destroy()


def test_killed_processes_are_started_again(fresh_live: Live) -> None:
    former = {name: fresh_live.kill(name) for name in sorted(PROCESSES)}
    for name, pid in former.items():
        fresh_live.wait_restarted(name, pid)
    wait_until(lambda: _serves(fresh_live), what="an answer after all that")


def test_clean_stop_ends_everything(fresh_live: Live) -> None:
    assert fresh_live.stop() == 0
    assert _alive(fresh_live) == []
    assert "database system is shut down" in fresh_live.log("postgres")
    assert "Application shutdown complete" in fresh_live.log("web")
    with pytest.raises(httpx.ConnectError):
        httpx.get(fresh_live.base_url)


def test_killed_supervisor_leaves_no_orphan_and_the_next_start_recovers(fresh_live: Live) -> None:
    port, token = fresh_live.webhook_receiver_port, fresh_live.operator_token
    assert fresh_live.process is not None
    fresh_live.process.kill()
    fresh_live.process.wait()
    wait_until(lambda: not _alive(fresh_live), what="the end of its processes")
    fresh_live.start()
    assert _serves(fresh_live)
    assert (fresh_live.webhook_receiver_port, fresh_live.operator_token) == (port, token)


def test_later_start_does_not_lay_out_again(live: Live) -> None:
    """`live` begins with the data of a server that has run before."""
    assert "Migrating" not in live.said()
    assert not (live.home.path / "logs" / "migrate.log").exists()


def test_taken_port_is_an_error_that_says_so(stopped_live: Live) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", stopped_live.port))
        stranger.listen()
        assert stopped_live.launch().wait(30) == 1
    assert f"Port {stopped_live.port} of 127.0.0.1 is taken; set ATRIUM_PORT" in stopped_live.said()


def test_signal_during_the_start_is_a_clean_stop(stopped_live: Live) -> None:
    stopped_live.launch()
    wait_until(lambda: "Atrium starts" in stopped_live.said(), what="the beginning of the start")
    assert stopped_live.stop() == 0
    assert _alive(stopped_live) == []
