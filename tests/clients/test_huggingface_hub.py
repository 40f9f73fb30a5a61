"""huggingface_hub, unchanged, against a live server: what it writes it reads back, and its errors are its own classes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, CommitOperationCopy, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tests.clients.conftest import Person

pytestmark = pytest.mark.live


def make_folder(folder: Path) -> dict[str, bytes]:
    """A card, a text in a directory with a difficult name, an empty file, and weights that are not text."""
    files = {
        "README.md": b"---\nlicense: mit\ntags: [demo]\n---\n# Card\n",
        "deep/er/a b%20c\xc3\xa4.txt".encode().decode(): b"text\n",
        "empty": b"",
        "model.safetensors": os.urandom(3_000_000),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return files


def read_back(folder: Path, names: dict[str, bytes]) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_a_folder_goes_up_and_comes_back_identical(alice: Person, repository: str, tmp_path: Path, way: str) -> None:
    files = make_folder(tmp_path / "folder")
    program = f"from huggingface_hub import upload_folder; upload_folder(repo_id={repository!r}, folder_path={str(tmp_path / 'folder')!r})"
    alice.python(program, **({"HF_HUB_DISABLE_XET": "1"} if way == "lfs" else {}))
    alice.python(program)  # again: nothing to do
    assert len(alice.api.list_repo_commits(repository)) == 2
    where = Path(
        alice.python(
            f"from huggingface_hub import snapshot_download; print(snapshot_download({repository!r}))"
        ).splitlines()[-1]
    )
    assert read_back(where, files) == files


def test_many_downloads_at_once_leave_no_connection_behind(alice: Person, repository: str, tmp_path: Path) -> None:
    operations = [CommitOperationAdd(f"f{number}.txt", f"{number}".encode()) for number in range(80)]
    alice.api.create_commit(repository, operations=operations, commit_message="Many")
    for turn in range(2):
        where = snapshot_download(
            repository, endpoint=alice.url, token=alice.token, cache_dir=tmp_path / f"cache{turn}", max_workers=8
        )
        assert len(list(Path(where).glob("*.txt"))) == 80
    assert alice.api.whoami()["name"] == "alice"


def test_trees_refs_and_history_say_what_was_done(alice: Person, repository: str) -> None:
    api = alice.api
    api.upload_file(repo_id=repository, path_in_repo="a/b.txt", path_or_fileobj=b"one", commit_message="Add b")
    api.create_branch(repository, branch="feature/x")
    api.upload_file(repo_id=repository, path_in_repo="c.txt", path_or_fileobj=b"two", revision="feature/x")
    api.create_tag(repository, tag="v1", revision="feature/x", tag_message="First")
    refs = api.list_repo_refs(repository)
    assert ({ref.name for ref in refs.branches}, {ref.name for ref in refs.tags}) == ({"main", "feature/x"}, {"v1"})
    listed = {item.path: item for item in api.list_repo_tree(repository, recursive=True, expand=True, revision="v1")}
    assert set(listed) == {".gitattributes", "a", "a/b.txt", "c.txt"}
    assert listed["a/b.txt"].last_commit.title == "Add b"
    assert [commit.title for commit in api.list_repo_commits(repository)] == ["Add b", "initial commit"]
    assert [item.path for item in api.get_paths_info(repository, ["c.txt", "nope"], revision="v1")] == ["c.txt"]
    assert api.file_exists(repository, "c.txt", revision="feature/x")
    assert not api.file_exists(repository, "c.txt")
    api.delete_tag(repository, tag="v1")
    api.delete_branch(repository, branch="feature/x")
    api.delete_file("a/b.txt", repository)
    assert api.list_repo_files(repository) == [".gitattributes"]


def test_a_large_file_is_copied_without_its_bytes(alice: Person, repository: str, tmp_path: Path) -> None:
    content = os.urandom(100_000)
    alice.api.upload_file(repo_id=repository, path_in_repo="w.bin", path_or_fileobj=content)
    copy = CommitOperationCopy(src_path_in_repo="w.bin", path_in_repo="copy.bin")
    alice.api.create_commit(repository, operations=[copy], commit_message="Copy")
    got = hf_hub_download(repository, "copy.bin", endpoint=alice.url, token=alice.token, cache_dir=tmp_path / "cache")
    assert Path(got).read_bytes() == content


def test_the_clients_errors_are_its_own(alice: Person, charlie: Person, repository: str) -> None:
    api = alice.api
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("alice/nothing")
    with pytest.raises(RepositoryNotFoundError):
        charlie.api.repo_info(repository)
    with pytest.raises(RevisionNotFoundError):
        api.repo_info(repository, revision="nope")
    with pytest.raises(EntryNotFoundError):
        hf_hub_download(repository, "nope", endpoint=alice.url, token=alice.token)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_repo(repository)
    assert api.create_repo(repository, exist_ok=True).repo_id == repository
    with pytest.raises(BadRequestError):
        api.create_branch(repository, branch="a..b")
    with pytest.raises(HfHubHTTPError, match="501"):
        api.upload_file(repo_id=repository, path_in_repo="x", path_or_fileobj=b"x", create_pr=True)
    head = api.repo_info(repository).sha
    api.upload_file(repo_id=repository, path_in_repo="x", path_or_fileobj=b"x")
    with pytest.raises(HfHubHTTPError, match="412"):
        api.upload_file(repo_id=repository, path_in_repo="y", path_or_fileobj=b"y", parent_commit=head)


def test_what_becomes_public_is_seen_at_once(alice: Person, charlie: Person, repository: str) -> None:
    alice.api.update_repo_settings(repository, visibility="public")
    assert charlie.api.repo_info(repository).private is False
    assert repository in {info.id for info in charlie.api.list_models(author="alice")}
    with pytest.raises(HfHubHTTPError, match="403"):
        charlie.api.upload_file(repo_id=repository, path_in_repo="x", path_or_fileobj=b"x")
    alice.api.delete_repo(repository)
    assert not alice.api.repo_exists(repository)
