"""Killed with -9 in the middle: nothing is lost, nothing is double, and the audit chain holds."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from huggingface_hub import HfApi

from tests.support.live import Live, wait_until

DEMO = Path(__file__).resolve().parent.parent.parent / "workers" / "clip" / "demo"
LABELS = ["bear", "handbag", "floppy disk", "microscope"]

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]


@pytest.fixture
def server(laid_out: Path) -> Iterator[Live]:
    """A server that takes a worker for lost after three seconds."""
    found = Live(like=laid_out, environment={"ATRIUM_JOB_LEASE_SECONDS": "3"}).start()
    try:
        yield found
    finally:
        found.destroy()


def call(server: Live, token: str, method: str, path: str, body: Any = None) -> Any:
    answer = httpx.request(
        method, server.base_url + path, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code < 400, f"{answer.text}\n{server.log('web')[-3000:]}"
    return answer.json()


def assert_chain_holds(server: Live) -> int:
    report = json.loads(server.manage("audit", "verify", "--json").stdout.strip().splitlines()[-1])
    assert report["verified"], report
    return int(report["events"])


def upload_demo(server: Live, token: str) -> None:
    api = HfApi(endpoint=server.base_url, token=token)
    api.create_repo("alice/clip")
    api.create_repo("alice/pictures", repo_type="dataset")
    api.upload_folder(repo_id="alice/clip", folder_path=DEMO / "model")
    api.upload_folder(repo_id="alice/pictures", folder_path=DEMO / "pictures", repo_type="dataset")


def test_a_worker_killed_in_the_job_is_replaced_and_the_job_ends_once(server: Live) -> None:
    token = server.bootstrap(["alice"])["alice", "write"]
    upload_demo(server, token)
    spec = {"model": {"repo": "alice/clip"}, "images": {"dataset": {"repo": "alice/pictures"}}, "labels": LABELS}
    job = call(server, token, "POST", "/api/v1/jobs/alice", {"kind": "clip.zero_shot", "spec": spec})
    address = f"/api/v1/jobs/alice/{job['id']}"
    wait_until(lambda: call(server, token, "GET", address)["state"] == "running", 60, what="the job's start")

    former = server.kill("ml")
    server.wait_restarted("ml", former)

    def ended() -> Any:
        seen = call(server, token, "GET", address)
        return seen if seen["state"] in {"succeeded", "failed", "cancelled"} else None

    done = wait_until(ended, 120, what="the job's end")
    assert (done["state"], done["attempt"]) == ("succeeded", 2), done["error"]
    assert done["result"]["summary"]["images"] == done["progress"]["total"]
    usage = call(server, token, "GET", "/api/v1/namespaces/alice/usage")["items"]
    assert [event["amount_micro_units"] for event in usage] == [done["cost_micro_units"]]
    lost = [line for line in call(server, token, "GET", f"{address}/logs")["items"] if "worker_lost" in line["text"]]
    assert len(lost) == 1
    assert_chain_holds(server)


class Clone:
    """A clone of alice's repository, and pushes from it that may be cut off."""

    def __init__(self, server: Live, token: str, directory: Path) -> None:
        self.address = f"{server.base_url}/alice/notes".replace("http://", f"http://alice:{token}@")
        self.directory = directory
        self.environment = {
            **os.environ,
            "HOME": str(directory.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "alice",
            "GIT_AUTHOR_EMAIL": "alice@example.org",
            "GIT_COMMITTER_NAME": "alice",
            "GIT_COMMITTER_EMAIL": "alice@example.org",
        }
        self.git("clone", "-q", self.address, str(directory), cwd=directory.parent)

    def git(self, *arguments: str, cwd: Path | None = None, check: bool = True) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, name: str, size: int) -> str:
        (self.directory / name).write_bytes(os.urandom(size).hex().encode())
        self.git("add", "-A")
        self.git("commit", "-q", "-m", f"Add {name}")
        return self.git("rev-parse", "HEAD")

    def push(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["git", "push", "-q", "origin", "HEAD:main"],
            cwd=self.directory,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def remote_head(self) -> str:
        return self.git("ls-remote", "origin", "refs/heads/main").split("\t")[0]


def bare_repository(server: Live) -> Path:
    return next((server.home.path / "git").glob("*/*/*.git"))


@pytest.mark.parametrize("moment", ["objects arrive", "the ref has moved"])
def test_web_killed_in_a_push_neither_loses_it_nor_records_it_twice(server: Live, tmp_path: Path, moment: str) -> None:
    token = server.bootstrap(["alice"])["alice", "write"]
    HfApi(endpoint=server.base_url, token=token).create_repo("alice/notes")
    clone = Clone(server, token, tmp_path / "clone")
    bare = bare_repository(server)
    before = clone.git("rev-parse", "HEAD")
    pushed = clone.commit("large.txt", 4_000_000)

    def reached() -> bool:
        if moment == "objects arrive":
            return any((bare / "objects").glob("tmp_objdir-*")) or any((bare / "objects").glob("incoming-*"))
        return (bare / "refs/heads/main").read_text().strip() == pushed

    push = clone.push()
    wait_until(lambda: reached() or push.poll() is not None, 60, what=moment)
    former = server.kill("web")
    push.wait(60)
    server.wait_restarted("web", former)
    wait_until(lambda: httpx.get(f"{server.base_url}/healthz").status_code == 200 if _listens(server) else False, 60)

    assert clone.remote_head() in {before, pushed}
    again = clone.push()
    again.wait(60)
    assert clone.remote_head() == pushed

    def recorded() -> bool:
        return bool(
            call(server, token, "GET", "/api/models/alice/notes")["sha"] == pushed and _pushes(server, pushed) == 1
        )

    wait_until(recorded, 60, what="exactly one record of the push")
    clone.git("fsck", "--strict")
    assert_chain_holds(server)


def _listens(server: Live) -> bool:
    try:
        httpx.get(f"{server.base_url}/healthz", timeout=2)
    except httpx.TransportError:
        return False
    return True


def _pushes(server: Live, commit: str) -> int:
    """How many recorded changes say that a ref moved to the commit."""
    program = (
        "from apps.core.models import OutboxEvent;"
        f"print(sum(r['new'] == '{commit}' for e in OutboxEvent.objects.filter(type='repository.push') for r in e.payload['refs']))"
    )
    return int(server.manage("shell", "--no-imports", "-c", program).stdout.strip().splitlines()[-1])
