"""A token's text is seen once, by its owner, and a revoked token is gone from the list."""

from __future__ import annotations

import re

from django.test import Client

from apps.accounts.models import User
from apps.orgs.models import Namespace
from tests.support.html import Page

TOKENS = "/settings/tokens"
WANTED = {"name": "laptop", "role": "write", "lifetime": "30"}


def made(browser: Client, **fields: str) -> str:
    """Makes a token by the form; returns its text."""
    answer = browser.post(TOKENS, {**WANTED, **fields})
    assert answer.status_code == 200
    found = re.search(r"atr_pat_[0-9A-Za-z]{38}", answer.content.decode())
    assert found
    return found.group()


def test_the_text_is_shown_once_and_works(alices_browser: Client, anonymous_browser: Client) -> None:
    text = made(alices_browser)
    later = alices_browser.get(TOKENS).content.decode()
    assert text not in later
    assert f"{text[:12]}…" in later
    who = anonymous_browser.get("/api/whoami-v2", headers={"Authorization": f"Bearer {text}"})
    assert who.json()["name"] == "alice"
    used = who.json()["auth"]["accessToken"]
    assert (used["displayName"], used["role"]) == ("laptop", "write")


def test_the_answer_with_the_text_is_stored_nowhere(alices_browser: Client) -> None:
    assert "no-store" in alices_browser.post(TOKENS, WANTED)["Cache-Control"]


def test_a_name_that_is_taken_is_refused_with_what_to_do(alices_browser: Client) -> None:
    made(alices_browser)
    answer = alices_browser.post(TOKENS, WANTED)
    page = Page.of(answer.content.decode())
    assert answer.status_code == 409
    assert "There is a token named 'laptop' already." in page.text
    # What was typed is still there.
    assert next(field for field in page.all("input") if field.get("name") == "name")["value"] == "laptop"


def test_a_form_that_does_not_parse_comes_back_with_its_errors(alices_browser: Client) -> None:
    answer = alices_browser.post(TOKENS, {"name": "", "role": "admin", "lifetime": "7"})
    assert answer.status_code == 400
    assert "atr_pat_" not in answer.content.decode()
    assert any("errorlist" in item.get("class", "") for item in Page.of(answer.content.decode()).all("ul"))


def test_a_revoked_token_is_dead_and_off_the_list(alices_browser: Client, anonymous_browser: Client) -> None:
    text = made(alices_browser)
    page = Page.of(alices_browser.get(TOKENS).content.decode())
    action = next(form["action"] for form in page.all("form") if form["action"].endswith("/revoke"))
    answer = alices_browser.post(action, follow=True)
    assert answer.redirect_chain == [(TOKENS, 302)]
    assert "You have no tokens." in Page.of(answer.content.decode()).text
    assert anonymous_browser.get("/api/whoami-v2", headers={"Authorization": f"Bearer {text}"}).status_code == 401


def test_nobody_revokes_the_token_of_another(alices_browser: Client, charlies_browser: Client) -> None:
    made(alices_browser)
    page = Page.of(alices_browser.get(TOKENS).content.decode())
    action = next(form["action"] for form in page.all("form") if form["action"].endswith("/revoke"))
    assert charlies_browser.post(action).status_code == 404
    assert "laptop" in Page.of(alices_browser.get(TOKENS).content.decode()).text


def test_a_token_may_last_for_ever_only_when_that_is_chosen(alices_browser: Client, alice: User) -> None:
    from django_scopes import scope

    from apps.accounts.models import AccessToken

    made(alices_browser, name="short", lifetime="7")
    made(alices_browser, name="endless", lifetime="never")
    with scope(namespace=Namespace.objects.get(user=alice).id):
        ends = dict(AccessToken.objects.values_list("name", "expires_at"))
    assert ends["endless"] is None
    assert ends["short"] is not None
