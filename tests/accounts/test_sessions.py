"""People sign up, log in, log out and reset their password in the pages; guessing is slow and every log-in is on record."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django_scopes import scope

from apps.accounts.models import User
from apps.core.ids import SYSTEM_NAMESPACE_ID
from apps.core.models import AuditEvent
from apps.orgs.models import Namespace, Project
from tests.factories import PASSWORD, bearer, make_organisation, make_user

pytestmark = pytest.mark.django_db
NEW = {"username": "bob", "email": "bob@example.org", "password1": PASSWORD, "password2": PASSWORD}


def log_in(client: Client, login: str = "alice", password: str = PASSWORD, **headers: str) -> Any:
    return client.post("/accounts/login/", {"login": login, "password": password}, headers=headers)


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def audited(action: str) -> list[dict[str, Any]]:
    with scope(namespace=SYSTEM_NAMESPACE_ID):
        return [json.loads(bytes(event.body)) for event in AuditEvent.objects.filter(action=action).order_by("id")]


@pytest.fixture
def person(db: None) -> User:
    return make_user("alice", password=PASSWORD)


def test_who_signs_up_has_a_namespace_with_a_project_and_is_logged_in(client: Client) -> None:
    answer = client.post("/accounts/signup/", NEW)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    namespace = Namespace.objects.get(user__username="bob")
    assert (namespace.name, namespace.kind) == ("bob", "user")
    assert Project.objects.get(namespace=namespace).is_default
    assert is_in(client)
    with scope(namespace=namespace.id):
        assert AuditEvent.objects.get().action == "user.create"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "alice"), ("username", "ALICE"), ("username", "api"), ("username", "Settings"), ("username", "a b"),
        ("username", "a--b"), ("username", "-a"), ("username", "b.git"), ("username", ""), ("username", "x" * 97),
        ("username", "acme"), ("username", "bob\x00"), ("password1", "short"), ("password2", "another one 1"),
        ("email", "nonsense"),
    ],
)  # fmt: skip
def test_a_sign_up_that_cannot_be_leaves_nothing(client: Client, person: User, field: str, value: str) -> None:
    make_organisation("acme", owner=person)
    answer = client.post("/accounts/signup/", {**NEW, field: value})
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert User.objects.count() == 1
    assert not is_in(client)


@pytest.mark.parametrize("login", ["alice", "ALICE", "alice@example.org"])
def test_a_person_logs_in_by_name_or_address(client: Client, person: User, login: str) -> None:
    answer = log_in(client, login)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert is_in(client)
    (event,) = audited("login.succeed")
    assert (event["actor"]["name"], event["address"]) == ("alice", "127.0.0.1")


@pytest.mark.parametrize(("login", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("alice", ""), ("", "")])
def test_a_wrong_log_in_says_the_same_whoever_it_was(client: Client, person: User, login: str, password: str) -> None:
    answer = log_in(client, login, password)
    assert answer.status_code == 200
    assert not is_in(client)


def test_an_unknown_name_and_a_wrong_password_look_alike(client: Client, person: User) -> None:
    texts = [str(log_in(client, login, "wrong").context["form"].errors) for login in ("alice", "nobody")]
    assert texts[0] == texts[1]


def test_failed_log_ins_are_on_record_without_the_password(client: Client, person: User) -> None:
    log_in(client, "alice", "almost-my-password")
    log_in(client, "nobody", "almost-my-password")
    events = audited("login.fail")
    assert [event["metadata"]["username"] for event in events] == ["alice", "nobody"]
    assert "almost-my-password" not in json.dumps(events)


def test_a_deactivated_person_does_not_log_in(client: Client, person: User) -> None:
    User.objects.filter(id=person.id).update(is_active=False)
    log_in(client)
    assert not is_in(client)


def test_deactivation_ends_sessions(client: Client, person: User) -> None:
    log_in(client)
    assert client.get("/api/v1/tokens").status_code == 200
    User.objects.filter(id=person.id).update(is_active=False)
    assert client.get("/api/v1/tokens").status_code == 401


def test_logging_out_takes_a_post(client: Client, person: User) -> None:
    log_in(client)
    client.get("/accounts/logout/")
    assert is_in(client)
    assert client.post("/accounts/logout/").status_code == 302
    assert not is_in(client)


def test_logging_in_changes_the_session(client: Client, person: User) -> None:
    client.get("/accounts/login/")
    session = client.session
    session["before"] = "x"
    session.save()
    key = session.session_key
    client.cookies["sessionid"] = key
    log_in(client)
    assert client.session.session_key != key


def test_guessing_one_account_is_stopped_even_for_the_right_password(client: Client, person: User) -> None:
    for _ in range(5):
        log_in(client, "alice", "wrong")
    log_in(client, "alice", PASSWORD)
    assert not is_in(client)
    # Another name's attempts are its own.
    make_user("bob", password=PASSWORD)
    log_in(client, "bob")
    assert is_in(client)


def test_guessing_from_one_address_is_stopped_whatever_the_names(client: Client, person: User) -> None:
    answers = [log_in(client, f"name{number}", "wrong", X_Forwarded_For=f"192.0.2.{number}") for number in range(12)]
    assert answers[0].status_code == 200
    refused = answers[-1]
    assert refused.status_code == 429 or "Too many failed" in refused.content.decode()
    log_in(client)
    assert not is_in(client)


def test_without_the_counter_nobody_logs_in(person: User, settings: Any) -> None:
    """The throttle fails closed."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    client = Client(raise_request_exception=False)
    assert log_in(client).status_code >= 500
    assert not is_in(client)


def test_a_forgotten_password_is_reset_by_mail_once(client: Client, person: User) -> None:
    client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    (letter,) = mail.outbox
    assert letter.to == ["alice@example.org"]
    found = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", letter.body)
    assert found is not None
    link = found.group(1)
    form = client.get(link, follow=True)
    address = form.redirect_chain[-1][0]
    fresh = "another horse battery"
    assert client.post(address, {"password1": fresh, "password2": fresh}).status_code == 302
    client.logout()
    log_in(client, password=PASSWORD)
    assert not is_in(client)
    log_in(client, password=fresh)
    assert is_in(client)
    client.logout()
    used = client.get(link, follow=True)
    assert "password1" not in used.content.decode()


def test_a_reset_for_an_unknown_address_looks_the_same(client: Client, person: User) -> None:
    known = client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])


@pytest.mark.parametrize("target", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_a_log_in_leads_nowhere_else(client: Client, person: User, target: str) -> None:
    answer = client.post(f"/accounts/login/?next={target}", {"login": "alice", "password": PASSWORD, "next": target})
    assert "elsewhere" not in answer["Location"] and "javascript" not in answer["Location"]


def test_forms_need_the_csrf_token(person: User) -> None:
    client = Client(enforce_csrf_checks=True)
    assert log_in(client).status_code == 403
    assert not is_in(client)


def test_a_token_stands_before_the_session(client: Client, person: User) -> None:
    """Credentials that are sent are the ones that count, even bad ones."""
    log_in(client)
    bob = make_user("bob")
    assert client.get("/api/whoami-v2", headers=bearer(bob)).json()["name"] == "bob"
    assert client.get("/api/v1/tokens", headers={"Authorization": "Bearer nonsense"}).status_code == 401
