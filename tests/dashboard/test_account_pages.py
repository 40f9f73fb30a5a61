"""Signing up, logging in and out, and a forgotten password, by forms alone."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from apps.accounts.models import User
from apps.core.principal import system
from apps.orgs.models import Namespace
from apps.orgs.services import user_create
from tests.support.html import Page

PASSWORD = "correct horse battery"
NEW_PASSWORD = "staple of another horse"
SIGNUP = {"username": "carol", "email": "carol@example.org", "password1": PASSWORD, "password2": PASSWORD}


def page(answer: object) -> Page:
    return Page.of(answer.content.decode())  # type: ignore[attr-defined]


def test_signing_up_makes_a_person_with_a_namespace_and_logs_in(anonymous_browser: Client) -> None:
    answer = anonymous_browser.post("/accounts/signup/", SIGNUP, follow=True)
    assert answer.redirect_chain[-1][0] == "/"
    assert "Log out" in page(answer).text
    assert "No repositories yet." in page(answer).text
    assert Namespace.objects.get(name="carol").user == User.objects.get(username="carol")


@pytest.mark.parametrize("name", ["settings", "API", "a--b", "alice", "ALICE", "acme", "a/b", ".x"])
def test_names_that_are_taken_reserved_or_malformed_are_refused(
    anonymous_browser: Client, alice: User, acme: Namespace, name: str
) -> None:
    answer = anonymous_browser.post("/accounts/signup/", {**SIGNUP, "username": name})
    assert answer.status_code == 200
    assert any("errorlist" in item.get("class", "") for item in page(answer).all("ul"))
    assert User.objects.count() == 2


def test_a_weak_password_is_refused(anonymous_browser: Client) -> None:
    answer = anonymous_browser.post("/accounts/signup/", {**SIGNUP, "password1": "carol", "password2": "carol"})
    assert answer.status_code == 200
    assert not User.objects.exists()


@pytest.fixture
def carol(db: None) -> User:
    return user_create(actor=system(), username="carol", email="carol@example.org", password=PASSWORD)


@pytest.mark.parametrize("login", ["carol", "carol@example.org"])
def test_logging_in_by_name_or_address_leads_to_where_one_wanted_to_go(
    anonymous_browser: Client, carol: User, login: str
) -> None:
    asked = anonymous_browser.get("/settings/tokens")
    assert asked["Location"] == "/accounts/login/?next=/settings/tokens"
    form = page(anonymous_browser.get(asked["Location"]))
    hidden = {field["name"]: field["value"] for field in form.all("input") if field["type"] == "hidden"}
    answer = anonymous_browser.post("/accounts/login/", {**hidden, "login": login, "password": PASSWORD})
    assert answer["Location"] == "/settings/tokens"
    assert anonymous_browser.get("/settings/tokens").status_code == 200


def test_logging_in_leads_to_no_other_site(anonymous_browser: Client, carol: User) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example/"):
        fields = {"login": "carol", "password": PASSWORD, "next": elsewhere}
        assert anonymous_browser.post("/accounts/login/", fields)["Location"] == "/"
        anonymous_browser.post("/accounts/logout/")


def test_a_wrong_password_and_an_unknown_name_look_the_same(anonymous_browser: Client, carol: User) -> None:
    texts = {
        page(anonymous_browser.post("/accounts/login/", {"login": name, "password": "wrong password"})).text.replace(
            name, ""
        )
        for name in ("carol", "nobody")
    }
    assert len(texts) == 1


def test_logging_out_takes_a_post(alices_browser: Client) -> None:
    assert "This ends your session" in page(alices_browser.get("/accounts/logout/")).text
    assert alices_browser.get("/settings/tokens").status_code == 200
    alices_browser.post("/accounts/logout/")
    assert alices_browser.get("/settings/tokens").status_code == 302


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(anonymous_browser: Client, carol: User) -> None:
    answer = anonymous_browser.post("/accounts/password/reset/", {"email": "carol@example.org"}, follow=True)
    assert "Look into your mail" in page(answer).text
    link = re.search(r"http://127\.0\.0\.1(/accounts/password/reset/key/\S+)", mail.outbox[0].body)
    assert link
    form = anonymous_browser.get(link.group(1), follow=True)
    action = next(item["action"] for item in page(form).all("form"))
    done = anonymous_browser.post(action, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}, follow=True)
    assert "The password is changed" in page(done).text
    carol.refresh_from_db()
    assert carol.check_password(NEW_PASSWORD)
    assert "This link does not work" in page(Client(SERVER_NAME="127.0.0.1").get(link.group(1), follow=True)).text


def test_asking_for_a_link_does_not_tell_whether_there_is_an_account(anonymous_browser: Client, carol: User) -> None:
    texts = {
        page(anonymous_browser.post("/accounts/password/reset/", {"email": address}, follow=True)).text
        for address in ("carol@example.org", "nobody@example.org")
    }
    assert len(texts) == 1


def test_changing_the_password_ends_other_sessions(carol: User) -> None:
    here, elsewhere = Client(SERVER_NAME="127.0.0.1"), Client(SERVER_NAME="127.0.0.1")
    for browser in (here, elsewhere):
        browser.force_login(carol)
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert here.post("/accounts/password/change/", fields).status_code == 302
    assert elsewhere.get("/settings/tokens").status_code == 302
