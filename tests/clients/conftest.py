"""alice and charlie on the shared live server, each with clients that keep nothing between tests."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.support.live import Live


@dataclass(frozen=True)
class Person:
    """Somebody at a computer of his own."""

    name: str
    token: str
    url: str
    home: Path

    @property
    def api(self) -> HfApi:
        return HfApi(endpoint=self.url, token=self.token)

    @property
    def environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "GIT_"))}
        return {
            **kept,
            "HOME": str(self.home),
            "HF_HOME": str(self.home / "hf"),
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": f"{self.name}@example.org",
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": f"{self.name}@example.org",
        }

    def run(self, *command: str, cwd: Path | None = None, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=cwd,
            env={**self.environment, **extra},
            capture_output=True,
            text=True,
            timeout=110,
        )

    def python(self, program: str, **extra: str) -> str:
        """A program in a process of its own, as client libraries read their settings when they are imported."""
        done = self.run(sys.executable, "-c", program, **extra)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def address(self, repository: str) -> str:
        return f"{self.url}/{repository}".replace("http://", f"http://{self.name}:{self.token}@")


@pytest.fixture(scope="session")
def tokens(live: Live) -> dict[tuple[str, str], str]:
    return live.bootstrap(["alice", "charlie"])


@pytest.fixture
def alice(live: Live, tokens: dict[tuple[str, str], str], tmp_path: Path) -> Person:
    home = tmp_path / "alice"
    home.mkdir()
    return Person("alice", tokens["alice", "write"], live.base_url, home)


@pytest.fixture
def charlie(live: Live, tokens: dict[tuple[str, str], str], tmp_path: Path) -> Person:
    home = tmp_path / "charlie"
    home.mkdir()
    return Person("charlie", tokens["charlie", "write"], live.base_url, home)


@pytest.fixture
def repository(alice: Person) -> str:
    """A fresh private model of alice's."""
    name = f"alice/m{uuid.uuid4().hex[:12]}"
    alice.api.create_repo(name, private=True)
    return name
