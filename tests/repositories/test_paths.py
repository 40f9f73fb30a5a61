"""Which paths and ref names are taken: those that are harmless on every system a client runs on."""

from __future__ import annotations

import pytest

from apps.core.errors import AtriumError
from apps.repositories.git.paths import MAX_PATH, check_path, check_ref_name

GOOD = [
    "a",
    "a/b",
    "Ä b%20c.txt",
    ".gitignore",
    ".gitattributes",
    "git",
    "a.git",
    "..a",
    "a..b",
    "日本語/🐻.png",
    "a" * 255,
]
BAD = [
    "", "/", "/etc/passwd", "a//b", "a/", "./a", "a/./b", "..", "../a", "a/../../b", "C:/a", "c:a", "a\\b", "a\x00b",
    "a\nb", "\x7f", ".git", ".git/config", "a/.git/hooks/x", ".GIT/config", ".Git", "git~1/config", ".git./x", ".git /x",
    ".git::$INDEX_ALLOCATION/x", ".g\u200cit/config", "\ufeff.git/x", "a" * 256, "ä" * 128, "\udc80", "a/" * 100 + "b",
    "x" * 5000, "x/" * (MAX_PATH // 2) + "x",
]  # fmt: skip


@pytest.mark.parametrize("path", GOOD)
def test_a_harmless_path_is_taken_as_it_is(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize("path", BAD, ids=lambda path: ascii(path)[:40])
def test_a_path_that_harms_somewhere_is_refused(path: str) -> None:
    with pytest.raises(AtriumError) as caught:
        check_path(path)
    # What is shown of it can stand in a header and in a log.
    assert str(caught.value.data.get("path", "")).isascii()


@pytest.mark.parametrize("name", ["main", "v1.0", "refs-of-mine", "feature/a+b", "user@home", "a=b"])
def test_a_ref_name_is_taken(name: str) -> None:
    assert check_ref_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "-x", "a..b", "a//b", "a/", "a.", "a.lock", "a.lock/b", ".a", "a/.b", "@", "a@{1}", "a b", "a~1", "a^", "a:b", "a?",
        "a*", "a[", "a\\b", "HEAD", "head", "refs/heads/x", "a" * 40, "a" * 251, "a\nb", "ä",
    ],
    ids=lambda name: ascii(name)[:40],
)  # fmt: skip
def test_a_ref_name_that_git_or_a_client_would_misread_is_refused(name: str) -> None:
    with pytest.raises(AtriumError):
        check_ref_name(name)
