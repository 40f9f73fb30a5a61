"""The set-up and the checks that `make` runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.lock"))


def _checkout(tmp_path: Path) -> Path:
    """A checkout with the scripts and locks, and an environment that claims to be complete."""
    for folder in ("scripts", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    return tmp_path


def _fingerprint(checkout: Path, lock: str) -> str:
    code = "import runpy, sys; print(runpy.run_path('scripts/setup')['fingerprint'](sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", code, lock], cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _setup(checkout: Path, mode: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path or os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, "scripts/setup", mode], cwd=checkout, env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("mode", ["run", "test"])
def test_setup_says_and_does_nothing_when_all_is_there(tmp_path: Path, mode: str) -> None:
    """The environment for tests serves running, too."""
    checkout = _checkout(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "git-lfs", "chromium", "xmlsec1"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    (checkout / ".venv" / "atrium-setup.json").write_text(f'{{"dev": "{_fingerprint(checkout, "dev")}"}}')
    done = _setup(checkout, mode, path=str(programs))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_setup_names_the_one_command_when_it_may_not_install(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    stamp = checkout / ".venv" / "atrium-setup.json"
    stamp.write_text(f'{{"ml": "{_fingerprint(checkout, "ml")}"}}')
    code = "import os, runpy, sys; os.geteuid = lambda: 1000; sys.argv = ['setup', 'demo']; runpy.run_path('scripts/setup', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        env={**os.environ, "PATH": "/nowhere"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "apt-get install --yes --no-install-recommends git git-lfs" in done.stderr
    assert "sudo" not in done.stderr


def test_setup_refuses_an_unknown_mode(tmp_path: Path) -> None:
    done = _setup(_checkout(tmp_path), "everything")
    assert done.returncode == 1
    assert "run|demo|test" in done.stderr


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_lock_pins_by_hash_and_leaves_out_torch_and_addresses(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.findall(r"^([a-z0-9][\w.-]*)(?:\[[\w,-]+\])?==", text, re.MULTILINE)
    assert requirements
    assert not [name for name in requirements if re.match(r"(torch|triton)$|nvidia-|cuda-", name)]
    assert "://" not in text
    assert text.count("==") <= text.count("--hash=sha256:")


def test_file_over_the_limit_is_named_and_refused(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "long.py").write_text("\n" * 401)
    (tmp_path / "short.py").write_text("\n" * 400)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_initial.py").write_text("\n" * 500)
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    done = subprocess.run([sys.executable, "scripts/check_file_length"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == "long.py: 401 lines, the limit is 400\n"
