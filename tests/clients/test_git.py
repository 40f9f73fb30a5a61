"""git and git-lfs, unchanged, against a live server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.conftest import Person

pytestmark = pytest.mark.live


@pytest.fixture
def clone(alice: Person, repository: str, tmp_path: Path) -> Path:
    where = tmp_path / "clone"
    assert alice.run("git", "lfs", "install").returncode == 0
    done = alice.run("git", "clone", "-q", alice.address(repository), str(where))
    assert done.returncode == 0, done.stderr
    return where


def commit(alice: Person, clone: Path, **files: bytes) -> str:
    for name, content in files.items():
        (clone / name.replace("__", ".")).write_bytes(content)
    assert alice.run("git", "add", "-A", cwd=clone).returncode == 0
    done = alice.run("git", "commit", "-q", "-m", "Add files", cwd=clone)
    assert done.returncode == 0, done.stderr
    return alice.run("git", "rev-parse", "HEAD", cwd=clone).stdout.strip()


def test_plain_and_large_files_go_up_and_come_back(alice: Person, repository: str, clone: Path, tmp_path: Path) -> None:
    plain, large = os.urandom(1_500_000).hex().encode(), os.urandom(12_000_000)
    pushed = commit(alice, clone, plain__txt=plain, weights__bin=large)
    done = alice.run("git", "push", "-q", "origin", "HEAD:main", cwd=clone)
    assert done.returncode == 0, done.stderr
    assert alice.api.repo_info(repository).sha == pushed
    again = tmp_path / "again"
    done = alice.run("git", "-c", "protocol.version=2", "clone", "-q", alice.address(f"{repository}.git"), str(again))
    assert done.returncode == 0, done.stderr
    assert ((again / "plain.txt").read_bytes(), (again / "weights.bin").read_bytes()) == (plain, large)


def test_old_protocol_shallow_clone_fetch_and_tags(alice: Person, repository: str, clone: Path, tmp_path: Path) -> None:
    alice.api.upload_file(repo_id=repository, path_in_repo="x.txt", path_or_fileobj=b"x")
    assert alice.run("git", "pull", "-q", "--ff-only", cwd=clone).returncode == 0
    assert (clone / "x.txt").read_text() == "x"
    assert alice.run("git", "tag", "v1", cwd=clone).returncode == 0
    assert alice.run("git", "push", "-q", "origin", "v1", cwd=clone).returncode == 0
    assert [tag.name for tag in alice.api.list_repo_refs(repository).tags] == ["v1"]
    shallow = tmp_path / "shallow"
    command = ["git", "-c", "protocol.version=0", "clone", "-q", "--depth=1", alice.address(repository), str(shallow)]
    assert alice.run(*command).returncode == 0
    assert alice.run("git", "rev-list", "--count", "HEAD", cwd=shallow).stdout.strip() == "1"


def refused(alice: Person, clone: Path, *arguments: str, **extra: str) -> str:
    before = alice.run("git", "ls-remote", "origin", cwd=clone).stdout
    done = alice.run("git", "push", "origin", *(arguments or ("HEAD:main",)), cwd=clone, **extra)
    assert done.returncode != 0
    assert alice.run("git", "ls-remote", "origin", cwd=clone).stdout == before
    return done.stderr


def test_a_plain_file_over_ten_megabytes_is_refused_with_what_to_do(alice: Person, clone: Path) -> None:
    commit(alice, clone, big__txt=b"x" * 11_000_000)
    said = refused(alice, clone)
    assert "git lfs track" in said
    assert "big.txt" in said


def test_a_large_file_behind_a_tag_is_refused_too(alice: Person, clone: Path) -> None:
    (clone / "big").write_bytes(b"x" * 11_000_000)
    blob = alice.run("git", "hash-object", "-w", "big", cwd=clone).stdout.strip()
    assert alice.run("git", "tag", "blob", blob, cwd=clone).returncode == 0
    assert "must point to a commit" in refused(alice, clone, "blob")


def test_a_pointer_whose_object_nobody_uploaded_is_refused(alice: Person, clone: Path) -> None:
    commit(alice, clone, weights__bin=os.urandom(1000))
    said = refused(alice, clone, GIT_LFS_SKIP_PUSH="1")
    assert "weights.bin" in said
    assert "git lfs push --all" in said


def test_a_tree_with_a_name_that_leaves_it_is_refused(alice: Person, clone: Path) -> None:
    blob = alice.run("git", "hash-object", "-w", ".gitattributes", cwd=clone).stdout.strip()
    (clone / "entries").write_bytes(f"100644 blob {blob}\ta\\b".encode())
    made = alice.run("sh", "-c", "git mktree < entries", cwd=clone).stdout.strip()
    commit_id = alice.run("git", "commit-tree", "-p", "HEAD", "-m", "x", made, cwd=clone).stdout.strip()
    assert "bad_path" in refused(alice, clone, f"{commit_id}:refs/heads/main")


def test_main_cannot_be_deleted_nor_other_namespaces_pushed(alice: Person, clone: Path) -> None:
    assert "main cannot be deleted" in refused(alice, clone, ":main")
    assert "only branches and tags" in refused(alice, clone, "HEAD:refs/pr/1")


def test_strangers_get_nothing(alice: Person, charlie: Person, repository: str, tmp_path: Path) -> None:
    assert charlie.run("git", "clone", "-q", charlie.address(repository), str(tmp_path / "x")).returncode != 0
    anonymous = charlie.run("git", "clone", "-q", f"{charlie.url}/{repository}", str(tmp_path / "y"))
    missing = charlie.run("git", "clone", "-q", f"{charlie.url}/alice/nothing", str(tmp_path / "z"))
    assert anonymous.returncode != 0
    assert anonymous.stderr.replace(repository, "R") == missing.stderr.replace("alice/nothing", "R")
    alice.api.update_repo_settings(repository, visibility="public")
    where = tmp_path / "public"
    assert charlie.run("git", "clone", "-q", f"{charlie.url}/{repository}", str(where)).returncode == 0
    commit(charlie, where, x__txt=b"x")
    done = charlie.run("git", "push", charlie.address(repository), "HEAD:main", cwd=where)
    assert done.returncode != 0
    assert "403" in done.stderr
