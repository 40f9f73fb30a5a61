"""Tokens, organisations, members and projects over REST, as a client sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.accounts.models import AccessToken, User
from apps.core.principal import Narrowing
from apps.orgs.models import Namespace
from tests.factories import bearer, make_token, personal, role_of
from tests.orgs.conftest import Acme

pytestmark = pytest.mark.django_db
Call = Callable[..., Any]


@pytest.fixture
def call(client: Client, acme: Acme) -> Call:
    """`call("POST", path, body, who="alice")` → the answer."""
    tokens: dict[tuple[str, str], dict[str, str]] = {}

    def send(
        method: str, path: str, body: Any = None, *, who: str | None = "alice", role: str = "write", token: str = ""
    ) -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if who and not token:
            headers = tokens.setdefault((who, role), {}) or tokens[who, role] | bearer(getattr(acme, who), role=role)
            tokens[who, role] = headers
        content = b"" if body is None else json.dumps(body)
        return client.generic(method, path, content, content_type="application/json", headers=headers)

    return send


def job_token(user: User) -> str:
    from apps.accounts.services import job_token_issue
    from apps.core.ids import new_id

    none: frozenset[Any] = frozenset()
    return job_token_issue(
        user=user,
        namespace_id=personal(user).id,
        job_id=new_id(),
        narrowing=Narrowing(read=none, write=none),
        lifetime=timedelta(hours=1),
    )


# --- tokens ---------------------------------------------------------------------------------------------------------


def test_the_life_of_a_token(call: Call) -> None:
    made = call("POST", "/api/v1/tokens", {"name": "laptop", "role": "read"})
    assert (made.status_code, made["Cache-Control"]) == (201, "no-store")
    body = made.json()
    text = body.pop("token")
    assert set(body) == {"id", "name", "role", "prefix", "created_at", "expires_at", "last_used_at"}
    assert text.startswith(body["prefix"]) and len(body["prefix"]) == 12
    assert call("GET", "/api/v1/tokens", token=text).status_code == 200
    listed = call("GET", "/api/v1/tokens").json()["items"]
    assert [row["name"] for row in listed if row["id"] == body["id"]] == ["laptop"]
    assert text not in json.dumps(listed)
    assert call("DELETE", f"/api/v1/tokens/{body['id']}").status_code == 204
    assert call("GET", "/api/v1/tokens", token=text).status_code == 401
    assert body["id"] not in json.dumps(call("GET", "/api/v1/tokens").json())


def test_a_token_expires_by_default_and_never_only_when_asked(call: Call) -> None:
    ends = call("POST", "/api/v1/tokens", {"name": "a", "role": "read"}).json()["expires_at"]
    days = (datetime.fromisoformat(ends) - datetime.now(UTC)).days
    assert days in {89, 90}
    assert (
        call("POST", "/api/v1/tokens", {"name": "b", "role": "read", "expires_at": None}).json()["expires_at"] is None
    )
    soon = (timezone.now() + timedelta(days=1)).isoformat()
    given = call("POST", "/api/v1/tokens", {"name": "c", "role": "read", "expires_at": soon}).json()["expires_at"]
    assert datetime.fromisoformat(given) == datetime.fromisoformat(soon)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_input"), ([], 400, "bad_input"), ({"name": "a", "role": "admin"}, 400, "bad_input"),
        ({"name": "a\x00", "role": "read"}, 400, "bad_text"), ({"name": "x" * 101, "role": "read"}, 400, "bad_input"),
        ({"name": "a", "role": "read", "expires_at": "2001-01-01T00:00:00Z"}, 400, "bad_expiry"),
        ({"name": "a", "role": "read", "expires_at": "soon"}, 400, "bad_input"),
        ({"name": "taken", "role": "read"}, 409, "token_name_taken"),
    ],
)  # fmt: skip
def test_a_token_that_cannot_be_is_refused(call: Call, acme: Acme, body: Any, status: int, code: str) -> None:
    make_token(acme.alice, name="taken")
    answer = call("POST", "/api/v1/tokens", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_who_has_no_account_has_no_tokens(call: Call, acme: Acme) -> None:
    body = {"name": "a", "role": "read"}
    for method, path in (("GET", "/api/v1/tokens"), ("POST", "/api/v1/tokens"), ("DELETE", "/api/v1/tokens/tok_x")):
        assert call(method, path, body, who=None).status_code == 401
        assert call(method, path, body, token=job_token(acme.alice)).status_code == 403


def test_a_read_token_makes_no_tokens(call: Call, acme: Acme) -> None:
    assert call("POST", "/api/v1/tokens", {"name": "a", "role": "write"}, role="read").status_code == 403
    mine = call("GET", "/api/v1/tokens", role="read").json()["items"][0]["id"]
    assert call("DELETE", f"/api/v1/tokens/{mine}", role="read").status_code == 403


def test_somebody_elses_token_is_not_there(call: Call, acme: Acme) -> None:
    theirs = call("POST", "/api/v1/tokens", {"name": "a", "role": "read"}, who="charlie").json()
    for tried in (theirs["id"], "tok_x", "x", theirs["id"].replace("tok", "job")):
        assert call("DELETE", f"/api/v1/tokens/{tried}").status_code == 404
    assert call("GET", "/api/v1/tokens", token=theirs["token"]).status_code == 200


# --- leaked tokens --------------------------------------------------------------------------------------------------


def revoke(client: Client, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body)
    return client.post("/api/credentials/revoke", content, content_type="application/json", headers=headers)


def test_leaked_tokens_are_ended_by_whoever_has_them(client: Client, acme: Acme) -> None:
    (one, text), (other, _) = make_token(acme.alice), make_token(acme.bob)
    anonymous = Client(enforce_csrf_checks=True)
    answers = [revoke(anonymous, {"credentials": [t]}) for t in (text, text, "nonsense", "atr_pat_" + "0" * 38)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
    with scopes_disabled():
        assert AccessToken.objects.get(id=one.id).revoked_at is not None
        assert AccessToken.objects.get(id=other.id).revoked_at is None


def test_a_hundred_may_be_handed_in_at_once(client: Client, acme: Acme) -> None:
    texts = [make_token(acme.alice)[1] for _ in range(3)]
    assert revoke(client, {"credentials": texts + ["x"] * 97}).status_code == 202
    with scopes_disabled():
        assert not AccessToken.objects.filter(revoked_at__isnull=True).exists()
    assert revoke(client, {"credentials": ["x"] * 101}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), ([], 400), ("x", 400), (None, 400), ({}, 400), ({"credentials": []}, 400), ({"credentials": "x"}, 400),
        ({"credentials": [1]}, 400), ({"credentials": [None]}, 400), (b"\xff\xfe", 400), (b"[" * 60_000, 400),
        ({"credentials": ["x" * 70_000]}, 413),
    ],
)  # fmt: skip
def test_what_is_no_list_of_texts_is_refused(client: Client, db: None, body: Any, status: int) -> None:
    assert revoke(client, body).status_code == status
    assert client.get("/api/credentials/revoke").status_code == 405


# --- organisations --------------------------------------------------------------------------------------------------


def test_an_organisation_is_made_and_seen(call: Call, acme: Acme) -> None:
    made = call(
        "POST", "/api/v1/organisations", {"name": "Other", "full_name": "Other Ltd", "default_visibility": "private"}
    )
    assert made.status_code == 201
    body = made.json()
    assert (body["kind"], body["name"], body["full_name"], body["default_visibility"]) == (
        "organisation",
        "Other",
        "Other Ltd",
        "private",
    )
    assert call("GET", "/api/v1/namespaces/other", who=None).json() == body
    assert role_of(acme.alice, Namespace.objects.get(name="Other")) == "owner"
    assert call("GET", "/api/v1/namespaces/alice", who=None).json()["kind"] == "user"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "bad_input"), ({"name": "api"}, 400, "name_reserved"), ({"name": "a b"}, 400, "bad_name"),
        ({"name": "ACME"}, 409, "name_taken"), ({"name": "alice"}, 409, "name_taken"),
        ({"name": "other", "default_visibility": "x"}, 400, "bad_input"), ({"name": "other", "full_name": "\x00"}, 400, "bad_text"),
    ],
)  # fmt: skip
def test_an_organisation_that_cannot_be_is_refused(call: Call, body: Any, status: int, code: str) -> None:
    answer = call("POST", "/api/v1/organisations", body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_organisations_are_made_by_people_who_may_write(call: Call, acme: Acme) -> None:
    assert call("POST", "/api/v1/organisations", {"name": "other"}, who=None).status_code == 401
    assert call("POST", "/api/v1/organisations", {"name": "other"}, role="read").status_code == 403
    assert call("POST", "/api/v1/organisations", {"name": "other"}, token=job_token(acme.alice)).status_code == 403
    assert not Namespace.objects.filter(name="other").exists()


@pytest.mark.parametrize("path", ["nobody", "%00", "x" * 300, "..%2f..", "%ff"])
def test_no_such_namespace(call: Call, path: str) -> None:
    for tail in ("", "/members", "/projects"):
        assert call("GET", f"/api/v1/namespaces/{path}{tail}").status_code == 404


# --- members and projects -------------------------------------------------------------------------------------------

MEMBERS = "/api/v1/namespaces/acme/members"


def test_members_are_listed_for_members(call: Call) -> None:
    listed = call("GET", MEMBERS, who="bob").json()
    assert {(row["username"], row["role"]) for row in listed["items"]} == {
        ("alice", "owner"),
        ("bob", "member"),
        ("carol", "maintainer"),
    }
    assert set(listed["items"][0]) == {"username", "full_name", "role", "created_at"}
    first = call("GET", f"{MEMBERS}?limit=2", who="bob").json()
    rest = call("GET", f"{MEMBERS}?limit=2&cursor={first['next_cursor']}", who="bob").json()
    assert len(first["items"]) == 2 and rest["next_cursor"] is None
    assert call("GET", MEMBERS, who="charlie").status_code == 403
    assert call("GET", MEMBERS, who=None).status_code == 401


def test_an_owner_adds_promotes_and_removes(call: Call, acme: Acme) -> None:
    one = f"{MEMBERS}/Charlie"
    assert call("PUT", one, {"role": "member"}).json()["role"] == "member"
    assert call("PUT", one, {"role": "maintainer"}).json()["role"] == "maintainer"
    assert call("PUT", one, {"role": "maintainer"}).status_code == 200
    assert role_of(acme.charlie, acme.namespace) == "maintainer"
    assert call("DELETE", one).status_code == 204
    assert call("DELETE", one).status_code == 204
    assert role_of(acme.charlie, acme.namespace) is None


@pytest.mark.parametrize(("who", "role", "status"), [
    ("carol", "write", 403), ("bob", "write", 403), ("charlie", "write", 403), (None, "write", 401), ("alice", "read", 403),
])  # fmt: skip
def test_others_do_not(call: Call, acme: Acme, who: str | None, role: str, status: int) -> None:
    for name in ("charlie", "nobody", "alice"):
        if name != who:
            assert call("PUT", f"{MEMBERS}/{name}", {"role": "owner"}, who=who, role=role).status_code == status
    # A stranger's bad body and a name that is nobody's are answered like any other.
    assert call("PUT", f"{MEMBERS}/nobody", {"role": 5}, who=who, role=role).status_code == status
    assert call("DELETE", f"{MEMBERS}/{'carol' if who != 'carol' else 'bob'}", who=who, role=role).status_code == status
    assert role_of(acme.charlie, acme.namespace) is None


def test_a_member_leaves(call: Call, acme: Acme) -> None:
    assert call("DELETE", f"{MEMBERS}/BOB", who="bob").status_code == 204
    assert role_of(acme.bob, acme.namespace) is None


def test_the_last_owner_stays(call: Call, acme: Acme) -> None:
    for answer in (call("DELETE", f"{MEMBERS}/alice"), call("PUT", f"{MEMBERS}/alice", {"role": "member"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")


def test_a_member_that_cannot_be_is_refused(call: Call) -> None:
    for path, body, status, code in (
        (f"{MEMBERS}/nobody", {"role": "member"}, 404, "user_not_found"), (f"{MEMBERS}/%00", {"role": "member"}, 404, "user_not_found"),
        (f"{MEMBERS}/charlie", {"role": "admin"}, 400, "bad_input"), (f"{MEMBERS}/charlie", {}, 400, "bad_input"),
        ("/api/v1/namespaces/alice/members/charlie", {"role": "member"}, 400, "not_an_organisation"),
    ):  # fmt: skip
        answer = call("PUT", path, body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_projects_are_listed_for_members(call: Call) -> None:
    (project,) = call("GET", "/api/v1/namespaces/acme/projects", who="bob").json()["items"]
    assert (project["name"], project["is_default"], project["id"][:4]) == ("default", True, "prj_")
    assert call("GET", "/api/v1/namespaces/acme/projects", who="charlie").status_code == 403
    assert call("GET", "/api/v1/namespaces/alice/projects").status_code == 200
