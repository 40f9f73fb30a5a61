"""Hostile and mistaken requests to the hub API: each has a clear answer, none a 500, and nothing is half-written."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.accounts.models import AccessToken, User
from apps.core.models import AuditEvent
from tests.hub.conftest import Hub

HEADER = {"key": "header", "value": {"summary": "s"}}


def file(path: str, content: str = "eA==", **more: Any) -> dict[str, Any]:
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "base64", **more}}


LARGE = {"key": "lfsFile", "value": {"path": "w.bin", "algo": "sha256", "oid": "0" * 64, "size": 3}}

BAD_COMMITS: dict[str, tuple[list[Any], int, str]] = {
    "malformed json": ([HEADER, b"{nope"], 400, "bad_ndjson"),
    "not an object": ([HEADER, b"[1, 2]"], 400, "bad_ndjson"),
    "value is a text": ([HEADER, {"key": "file", "value": "x"}], 400, "bad_ndjson"),
    "unknown key": ([HEADER, {"key": "surprise", "value": {"path": "a"}}], 400, "bad_ndjson"),
    "no header": ([file("a")], 400, "bad_ndjson"),
    "empty": ([], 400, "bad_ndjson"),
    "base64 that is not": ([HEADER, file("a", "###")], 400, "bad_base64"),
    "another encoding": ([HEADER, file("a", encoding="hex")], 400, "bad_ndjson"),
    "traversal": ([HEADER, file("../a")], 400, "bad_path"),
    "inner traversal": ([HEADER, file("a/../../b")], 400, "bad_path"),
    "absolute": ([HEADER, file("/etc/passwd")], 400, "bad_path"),
    "drive": ([HEADER, file("C:a")], 400, "bad_path"),
    "backslash": ([HEADER, file("a\\b")], 400, "bad_path"),
    "git config": ([HEADER, file(".git/config")], 400, "bad_path"),
    "git config in capitals": ([HEADER, file("a/.GIT/config")], 400, "bad_path"),
    "git config for HFS": ([HEADER, file(".g\u200cit/config")], 400, "bad_path"),
    "git config for NTFS": ([HEADER, file("git~1/config")], 400, "bad_path"),
    "NUL": ([HEADER, file("a\x00b")], 400, "bad_text"),
    "lone surrogate": ([HEADER, file("\ud800")], 400, "bad_text"),
    "5,000 characters": ([HEADER, file("a" * 5000)], 400, "bad_path"),
    "a part of 300 bytes": ([HEADER, file("a" * 300)], 400, "bad_path"),
    "1,200 parts": ([HEADER, file("a/" * 1200 + "f")], 400, "bad_path"),
    "empty path": ([HEADER, file("")], 400, "bad_path"),
    "colliding by case": ([HEADER, file("A.txt"), file("a.txt")], 400, "bad_path"),
    "a file that is a directory": ([HEADER, file("a"), file("a/b")], 400, "bad_path"),
    "deleting what is not there": ([HEADER, {"key": "deletedFile", "value": {"path": "nope"}}], 404, "entry_not_found"),
    "a large file nobody uploaded": ([HEADER, LARGE], 422, "lfs_object_missing"),
    "a bad digest": ([HEADER, {"key": "lfsFile", "value": {"path": "w", "oid": "xyz", "size": 1}}], 400, "bad_ndjson"),
    "a negative size": (
        [HEADER, {"key": "lfsFile", "value": {"path": "w", "oid": "0" * 64, "size": -1}}],
        400,
        "bad_ndjson",
    ),
    "a stale parent": (
        [{"key": "header", "value": {"summary": "s", "parentCommit": "1" * 40}}, file("a")],
        412,
        "stale_parent",
    ),
    "a parent that is none": (
        [{"key": "header", "value": {"summary": "s", "parentCommit": "HEAD"}}, file("a")],
        400,
        "bad_field",
    ),
    "a summary with half a character": (
        [{"key": "header", "value": {"summary": "\ud800"}}, file("a")],
        400,
        "bad_text",
    ),
    "a plain file over 10 MB": (
        [HEADER, file("big", base64.b64encode(bytes(10 * 1024**2 + 1)).decode())],
        422,
        "file_too_large",
    ),
}


def test_every_bad_commit_is_refused_with_its_code_and_changes_nothing(hub: Hub) -> None:
    head = hub.head
    with scopes_disabled():
        events = AuditEvent.objects.count()
    seen = {name: hub.commit(*lines) for name, (lines, _, _) in BAD_COMMITS.items()}
    answered = {name: (answer.status_code, answer.json().get("code")) for name, answer in seen.items()}
    assert answered == {name: (status, code) for name, (_, status, code) in BAD_COMMITS.items()}
    assert all(answer.json()["error"] and answer.headers["x-error-message"] for answer in seen.values())
    hub.assert_untouched(head)
    with scopes_disabled():
        assert AuditEvent.objects.count() == events


def test_a_body_over_the_limit_is_refused_with_and_without_its_length(hub: Hub) -> None:
    async def endless() -> Any:
        for _ in range(130):
            yield bytes(1024 * 1024)

    head = hub.head
    assert hub.request("POST", f"{hub.path}/commit/main", content=bytes(129 * 1024 * 1024)).status_code == 413
    assert hub.request("POST", f"{hub.path}/commit/main", content=endless()).status_code == 413
    hub.assert_untouched(head)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/models/alice/clip/revision/nope", 404, "RevisionNotFound"),
        ("GET", "/api/models/alice/clip/tree/nope", 404, "RevisionNotFound"),
        ("GET", "/api/models/alice/clip/tree/main/nope", 404, "EntryNotFound"),
        ("GET", "/api/models/alice/clip/tree/main?cursor=AAAA", 400, None),
        ("GET", "/api/models/alice/clip/commits/main?cursor=!!", 400, None),
        ("GET", "/api/models/alice/nope", 404, "RepoNotFound"),
        ("GET", "/api/models/a%00b/clip", 400, None),
        ("GET", "/a%00b/clip/resolve/main/x", 400, None),
        ("GET", "/api/models?search=%00", 400, None),
        ("GET", "/api/models?limit=0", 400, None),
        ("GET", "/api/models?limit=-1", 400, None),
        ("GET", "/api/models?limit=1000000000", 200, None),
        ("GET", "/api/models?sort=surprise", 400, None),
        ("GET", "/api/models?cursor=AAAA", 400, None),
        ("GET", "/alice/clip/resolve/main/nope", 404, "EntryNotFound"),
        ("GET", "/alice/clip/resolve/nope/.gitattributes", 404, "RevisionNotFound"),
        ("PUT", "/lfs/upload/junk", 403, None),
        ("POST", "/v1/telemetry", 404, None),
        ("GET", "/api/nowhere", 404, None),
        ("POST", "/api/models/alice/clip/commit/nope", 404, None),
    ],
)
def test_addresses_that_lead_nowhere_say_so(hub: Hub, method: str, path: str, status: int, code: str | None) -> None:
    content = b"\n".join(json.dumps(line).encode() for line in (HEADER, file("a"))) if method == "POST" else b""
    answer = hub.request(method, path, content=content)
    assert answer.status_code == status, answer.text
    if code:
        assert answer.headers["x-error-code"] == code


def test_a_missing_file_names_the_commit_in_which_it_is_missing(hub: Hub) -> None:
    assert hub.request("HEAD", "/alice/clip/resolve/main/nope").headers["x-repo-commit"] == hub.head


@pytest.mark.parametrize(
    "yaml", ["a: [", "- a list", "a: &x 1\nb: *x", "a: !!bool foo", "a: !!timestamp foo", "a: " + "[" * 50]
)
def test_a_bad_card_is_refused_by_the_check_and_stops_no_commit(hub: Hub, yaml: str) -> None:
    text = f"---\n{yaml}\n---\n# Card\n"
    assert hub.request("POST", "/api/validate-yaml", json={"content": text, "repoType": "model"}).status_code == 400
    answer = hub.commit(HEADER, file("README.md", base64.b64encode(text.encode()).decode()))
    assert answer.status_code == 200, answer.text
    assert hub.request("GET", hub.path).json()["sha"] == answer.json()["commitOid"]


@pytest.mark.parametrize("state", ["wrong", "expired", "revoked"])
def test_a_token_that_does_not_hold_is_401_everywhere(hub: Hub, state: str) -> None:
    token = hub.token
    with scopes_disabled():
        if state == "expired":
            AccessToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        if state == "revoked":
            AccessToken.objects.update(revoked_at=timezone.now())
    if state == "wrong":
        token = "atr_pat_012345678901234567890123456789AB2tbk33"
    for path in ("/api/whoami-v2", hub.path, "/alice/clip/resolve/main/.gitattributes", "/api/v1/jobs/alice"):
        assert hub.request("GET", path, token=token).status_code == 401, path


def test_a_private_repository_looks_to_a_stranger_like_none(
    hub: Hub, make_person: Callable[[str], tuple[User, str]]
) -> None:
    hub.request("PUT", f"{hub.path}/settings", json={"visibility": "private"})
    _, stranger = make_person("charlie")
    for suffix in ("", "/tree/main", "/refs", "/commits/main"):
        private = hub.request("GET", f"{hub.path}{suffix}", token=stranger)
        missing = hub.request("GET", f"/api/models/alice/nothing{suffix}", token=stranger)
        assert (private.status_code, private.headers["x-error-code"]) == (404, "RepoNotFound")
        assert private.text.replace("clip", "nothing") == missing.text
        assert hub.request("GET", f"{hub.path}{suffix}", token=None).status_code == 401


def test_a_name_with_an_encoded_percent_sign_is_decoded_once(hub: Hub) -> None:
    hub.commit(
        HEADER,
        file("a%20b.txt", base64.b64encode(b"percent").decode()),
        file("a b.txt", base64.b64encode(b"space").decode()),
    )
    assert hub.request("GET", "/alice/clip/resolve/main/a%2520b.txt").content == b"percent"
    assert hub.request("GET", "/alice/clip/resolve/main/a%20b.txt").content == b"space"


def test_patterns_made_to_backtrack_cost_nothing(hub: Hub) -> None:
    body = {"files": [{"path": "a" * 250, "size": 1, "sample": ""}], "gitIgnore": "*a" * 100 + "b"}
    answer = hub.request("POST", f"{hub.path}/preupload/main", json=body)
    assert answer.json()["files"][0]["shouldIgnore"] is False
