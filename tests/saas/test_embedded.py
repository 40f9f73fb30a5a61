"""The embedded servers: which are started, who may reach them, what a killed one leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from saas import embedded
from saas.embedded.home import LOOPBACK, Home
from saas.embedded.postgres import OWNER, RUNTIME, SUPERUSER, Postgres
from saas.embedded.process import processes_in
from saas.embedded.services import EmbeddedServices, needed_services
from saas.embedded.valkey import Valkey
from tests.support.live import wait_until
from tests.support.servers import FOREIGN, ROOT, Address

FOLDERS = ("postgres/18", "valkey", "s3")
GIVEN = {"DATABASE_URL": "postgres://db/atrium", "REDIS_URL": "redis://broker", "S3_ENDPOINT_URL": "http://s3"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def postgres(home: Home) -> Iterator[Postgres]:
    """A server of this test's own, started."""
    server = Postgres(home)
    services = EmbeddedServices(home, [server])
    services.start()
    yield server
    services.stop()


def _inhabitants(home: Home) -> list[int]:
    folders = [path for name in FOLDERS if (path := home.path / name).exists()]
    return [pid for folder in folders for pid in processes_in(folder)]


@pytest.mark.parametrize(
    ("given", "started"),
    [
        ([], {"postgres", "valkey", "s3"}),
        (["DATABASE_URL"], {"valkey", "s3"}),
        (["REDIS_URL"], {"postgres", "s3"}),
        (["S3_ENDPOINT_URL"], {"postgres", "valkey"}),
        (list(GIVEN), set()),
    ],
)
def test_a_service_whose_address_is_given_is_not_started(home: Home, given: list[str], started: set[str]) -> None:
    assert {service.name for service in needed_services(home, {name: GIVEN[name] for name in given})} == started


@pytest.mark.parametrize(
    ("command", "needed"),
    [
        ("migrate", True),
        ("bootstrap in.yaml --out out.json", True),
        ("run web", True),
        ("run", False),
        ("run all", False),
        ("migrate --help", False),
        ("makemigrations --check", False),
        ("check", False),
        ("", False),
    ],
)
def test_only_commands_that_need_servers_start_them(command: str, needed: bool) -> None:
    assert embedded.needs_services(["manage.py", *command.split()]) is needed


def test_outside_database_needs_the_owners_address_for_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", GIVEN["DATABASE_URL"])
    monkeypatch.delenv("DATABASE_OWNER_URL")
    monkeypatch.setenv("ATRIUM_DB_ROLE", "owner")
    with pytest.raises(SystemExit, match="DATABASE_OWNER_URL must be set too"):
        embedded.environment_for(["manage.py", "migrate"])


@pytest.mark.parametrize("role", [SUPERUSER, OWNER, RUNTIME])
def test_postgres_lets_nobody_in_without_the_password(servers: Address, role: str) -> None:
    port = Home(servers.home).services()["ports"]["postgres"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=LOOPBACK, port=port, user=role, password="guess", dbname="postgres")


def test_valkey_lets_nobody_in_without_the_password(servers: Address) -> None:
    port = Home(servers.home).services()["ports"]["valkey"]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(host=LOOPBACK, port=port, retry=Retry(NoBackoff(), 0)).ping()


@pytest.mark.parametrize(("part", "refusal"), [("s3", 403), ("filer", 401)])
def test_blobs_are_not_handed_out_without_a_key_on_any_port(
    servers: Address, s3_bucket: str, part: str, refusal: int
) -> None:
    port = Home(servers.home).services()["ports"][part]
    root = f"http://{LOOPBACK}:{port}" + ("/buckets" if part == "filer" else "")
    for path in (f"/{s3_bucket}/", f"/{s3_bucket}/object"):
        assert httpx.get(root + path, headers={"Accept": "application/json"}).status_code == refusal
        assert httpx.put(root + path, content=b"smuggled").status_code == refusal


def test_valkey_keeps_its_data_through_a_kill(home: Home) -> None:
    server = Valkey(home)
    services = EmbeddedServices(home, [server])
    services.start()
    try:
        with redis.Redis.from_url(server.url()) as client:
            client.rpush("queue", "job")
            client.execute_command("WAITAOF", 1, 0, 5000)
        assert server.process is not None
        server.process.kill()
        server.process.wait()
        services.start()
        with redis.Redis.from_url(server.url()) as client:
            assert client.lrange("queue", 0, -1) == [b"job"]
    finally:
        services.stop()


def test_postgres_starts_over_the_pid_file_of_a_killed_server(home: Home, postgres: Postgres) -> None:
    with postgres.connect(OWNER) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS answer")
    assert postgres.process is not None
    postgres.process.kill()
    postgres.process.wait()
    pid_file = postgres.data / "postmaster.pid"
    # The worst case: the number belongs to a living process that has nothing to do with it. Ours, here.
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    services = EmbeddedServices(home, [postgres])
    services.start()
    with postgres.connect(OWNER) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (1,)


def test_interrupted_initdb_is_begun_anew(home: Home) -> None:
    draft = home.directory("postgres") / "18.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18")
    services = EmbeddedServices(home, [Postgres(home)])
    services.start()
    services.stop()
    assert not draft.exists()


def _command(home: Home, code: str) -> list[str]:
    preamble = (
        "import sys\nfrom saas.embedded import environment_for\nenvironment = environment_for(['manage.py', 'shell'])\n"
    )
    return [sys.executable, "-c", preamble + code]


def _environment(home: Home) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "ATRIUM_HOME": str(home.path)}


def test_commands_share_the_servers_and_the_first_waits_for_the_last(home: Home) -> None:
    """The one that started them is done first, and yet the other keeps working with them."""
    first = subprocess.Popen(
        _command(home, "print('up', flush=True); input()"),
        cwd=ROOT,
        env=_environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdin
    assert first.stdout
    assert first.stdout.readline() == "up\n"
    code = """if True:
        import json, psycopg
        print(json.dumps(environment), flush=True)
        input()
        print(psycopg.connect(environment["DATABASE_URL"]).execute("SELECT 1").fetchone(), flush=True)
    """
    second = subprocess.Popen(
        _command(home, code),
        cwd=ROOT,
        env=_environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert second.stdin
    assert second.stdout
    assert f":{home.services()['ports']['postgres']}/" in json.loads(second.stdout.readline())["DATABASE_URL"]
    first.stdin.write("\n")
    first.stdin.close()
    second.stdin.write("\n")
    second.stdin.close()
    assert second.stdout.read() == "(1,)\n"
    assert second.wait(30) == 0
    assert first.wait(30) == 0
    assert _inhabitants(home) == []


def test_killed_command_leaves_no_server_behind(home: Home) -> None:
    command = subprocess.Popen(
        _command(home, "print('up', flush=True); input()"),
        cwd=ROOT,
        env=_environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert command.stdout
    assert command.stdout.readline() == b"up\n"
    assert len(_inhabitants(home)) >= 3
    command.send_signal(signal.SIGKILL)
    command.wait()
    wait_until(lambda: not _inhabitants(home), what="the end of the servers")
