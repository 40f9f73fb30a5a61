"""The data directory: secrets for its owner only, ports that stay, one holder of the lock."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from saas.embedded.home import Home, HomeBusyError, write_private
from tests.support.servers import ROOT


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_readable_by_their_owner_only(home: Home) -> None:
    home.secrets()
    files = list((home.path / "secrets").iterdir())
    assert len(files) == 3
    assert {_mode(path) for path in files} == {0o600}
    assert _mode(home.path) == _mode(home.path / "secrets") == 0o700


def test_secrets_stay_the_same(home: Home) -> None:
    assert home.secrets() == Home(home.path).secrets()


def test_two_who_need_a_secret_first_get_the_same_one(home: Home) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: Home(home.path).secret("contested"), range(64)))) == 1


def test_encryption_key_is_a_fernet_key_with_an_id(home: Home) -> None:
    key_id, _, key = home.secrets().encryption_keys.partition(":")
    assert key_id
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"secret")) == b"secret"


def test_private_file_stays_private_when_it_replaces_an_open_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("public")
    path.chmod(0o644)
    write_private(path, "private")
    assert (path.read_text(), _mode(path)) == ("private", 0o600)


def test_ports_are_chosen_once(home: Home) -> None:
    chosen = home.ports(["a", "b"])
    assert len(set(chosen.values())) == 2
    assert Home(home.path).ports(["b", "a"]) == chosen


def test_port_that_somebody_else_took_is_replaced_and_the_others_stay(home: Home) -> None:
    before = home.ports(["a", "b"])
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", before["a"]))
        stranger.listen()
        after = home.ports(["a", "b"])
    assert after["a"] != before["a"]
    assert after["b"] == before["b"]


def test_receivers_port_is_never_one_of_a_service(home: Home) -> None:
    """What may be posted to from inside must not be our own database."""
    home.update_services(webhook_receiver_port=home.ports(["postgres"])["postgres"])
    receiver = home.webhook_receiver_port()
    assert receiver not in home.services()["ports"].values()
    home.update_services(webhook_receiver_port=receiver)
    assert home.webhook_receiver_port() == receiver
    assert receiver not in home.ports(f"service{number}" for number in range(50)).values()


def test_services_file_is_private_and_none_removes_an_entry(home: Home) -> None:
    home.update_services(url="http://127.0.0.1:1", pids={"web": 1})
    home.update_services(url=None)
    assert home.services() == {"pids": {"web": 1}}
    assert _mode(home.services_file) == 0o600


def test_only_one_process_holds_a_data_directory(home: Home) -> None:
    with home.lock(), pytest.raises(HomeBusyError, match="in use by another Atrium"):
        home.lock()
    home.lock().release()


def test_lock_of_a_killed_process_is_free(home: Home) -> None:
    code = (
        "import sys; from saas.embedded.home import Home; lock = Home(sys.argv[1]).lock(); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, home.path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"\n"
        with pytest.raises(HomeBusyError):
            home.lock()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    home.lock().release()
