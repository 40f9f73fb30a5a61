"""What every page sends along: a policy without inline code, no third party, nothing sniffed, nothing framed, cookies out of reach."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from tests.security.matrix import ORIGIN, ask
from tests.security.routes import TABLE
from tests.security.table import Row
from tests.security.world import PASSWORD, World
from tests.support.html import Page
from tests.support.servers import ROOT

PAGES = [row for row in TABLE.rows if row.by_session and row.key.method == "GET"]
HOST = ORIGIN.removeprefix("http://")


def pages(world: World) -> list[tuple[Row, str, httpx.Response]]:
    """Every page as its owner and as the anonymous see it, errors and redirects included."""
    return [(row, role, ask(world, row, role)) for row in PAGES for role in ("anonymous", "owner")]


def directives(response: httpx.Response) -> dict[str, list[str]]:
    policy = response.headers["content-security-policy"]
    return {name: sources for name, *sources in (part.split() for part in policy.split(";") if part.strip())}


def test_every_page_has_a_strict_policy_and_no_code_in_it(world: World) -> None:
    for row, role, response in pages(world):
        policy = directives(response)
        where = f"{row} as {role}"
        assert "unsafe" not in response.headers["content-security-policy"], where
        assert policy["default-src"] == ["'none'"], where
        assert policy["script-src"] == policy["style-src"] == policy["form-action"] == ["'self'"], where
        assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"], where
        assert response.headers["x-content-type-options"] == "nosniff", where
        assert response.headers["x-frame-options"] == "DENY", where
        assert response.headers["referrer-policy"] == "same-origin", where
        assert response.headers["x-request-id"], where
        page = Page.of(response.text)
        assert page.active() == [], where
        assert page.foreign_addresses(HOST) == [], where


def test_no_page_of_a_person_is_kept_by_a_shared_cache(world: World) -> None:
    for row, role, response in pages(world):
        if row.key.name.startswith("page-") and response.is_success:
            policy = response.headers["cache-control"]
            assert "private" in policy or "no-store" in policy, f"{row} as {role}: {policy}"


def test_pages_are_whole_documents(world: World) -> None:
    for row, role, response in pages(world):
        if not response.is_redirect:
            page = Page.of(response.text)
            where = f"{row} as {role}"
            assert page.all("html")[0]["lang"] == "en", where
            assert len(page.all("title")) == len(page.all("main")) == 1, where
            assert len(page.all("h1")) >= 1, where
            assert all(image.get("alt") is not None for image in page.all("img")), where


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("page.html", b"<script>alert(1)</script>"),
        ("image.svg", b"<svg onload='alert(1)'/>"),
        ("notes.txt", b"<script>"),
    ],
)
def test_files_are_handed_out_so_that_no_browser_runs_them(world: World, path: str, content: bytes) -> None:
    from apps.repositories.commits import commit_create
    from apps.repositories.git.trees import AddFile

    commit_create(
        actor=world.owner,
        repository=world.secret("model"),
        branch="main",
        operations=[AddFile(path, content)],
        summary="Add a file",
    )
    row = next(row for row in TABLE.rows if str(row) == "GET resolve")
    response = ask(world, Row(row.key, "", f"/{{ns}}/{{secret}}/resolve/main/{path}", {}, row.sends, False), "owner")
    assert response.content == content
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-security-policy"] == "default-src 'none'; sandbox"
    in_place = response.headers["content-disposition"].startswith("inline")
    assert not in_place or response.headers["content-type"].startswith("text/plain")


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1")
    client.get("/accounts/login/")
    token = client.cookies["csrftoken"]
    before = client.cookies.get("sessionid")
    answer = client.post(
        "/accounts/login/", {"login": "alice", "password": PASSWORD, "csrfmiddlewaretoken": token.value}
    )
    assert answer.status_code == 302
    session = client.cookies["sessionid"]
    assert before is None or before.value != session.value
    for cookie in (token, session):
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"


def test_cookies_and_hsts_are_for_https_where_the_server_is_reached_by_https() -> None:
    program = (
        "from saas import settings as s;"
        "print(s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_HSTS_SECONDS > 0, s.CSRF_TRUSTED_ORIGINS)"
    )
    environment = os.environ | {"ATRIUM_PUBLIC_URLS": "https://hub.example.org"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True True True ['https://hub.example.org']"


def test_a_form_without_its_token_changes_nothing(world: World) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1")
    client.cookies["sessionid"] = world.session("owner")
    answer = client.post("/settings/tokens", {"name": "stolen", "role": "write", "lifetime": "7"})
    assert answer.status_code == 403
    assert "expired" in Page.of(answer.content.decode()).text
