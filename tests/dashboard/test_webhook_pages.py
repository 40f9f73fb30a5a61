"""Receivers of events: their secret is seen once, their deliveries with every attempt."""

from __future__ import annotations

import re
import uuid

from django.test import Client
from django.utils import timezone

from apps.dashboard.selectors import ANSWER_CHARACTERS
from apps.orgs.models import Namespace
from apps.webhooks.models import Attempt, Delivery, Endpoint
from tests.support.html import Page

HOOKS = "/settings/webhooks/acme"
URL = "https://hooks.example.org/atrium"


def make_endpoint(namespace: Namespace, **fields: object) -> Endpoint:
    return Endpoint.objects.create(**{"namespace": namespace, "url": URL, "secret": "", **fields})


def make_delivery(endpoint: Endpoint, *answers: int | None, **fields: object) -> Delivery:
    defaults = {
        "event_id": uuid.uuid4(),
        "event_type": "job.finished",
        "body": b"{}",
        "namespace_id": endpoint.namespace_id,
    }
    delivery = Delivery.objects.create(**{**defaults, "endpoint": endpoint, **fields})
    for number, status in enumerate(answers, 1):
        Attempt.objects.create(
            delivery=delivery,
            namespace_id=endpoint.namespace_id,
            number=number,
            at=timezone.now(),
            milliseconds=7,
            status=status,
            error="" if status else "connection refused",
            response="<b>busy</b>" + "x" * 2 * ANSWER_CHARACTERS,
        )
    return delivery


def test_the_secret_is_shown_once(alices_browser: Client, scoped: Namespace) -> None:
    answer = alices_browser.post(HOOKS, {"url": URL, "event_types": ["job.finished"]})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert re.search(r"whsec_[A-Za-z0-9+/=]{32,}", answer.content.decode())
    assert Endpoint.objects.get().event_types == ["job.finished"]
    later = alices_browser.get(HOOKS).content.decode()
    assert "whsec_" not in later
    assert URL in later


def test_an_address_that_may_not_be_called_is_refused_with_the_reason(
    alices_browser: Client, scoped: Namespace
) -> None:
    answer = alices_browser.post(HOOKS, {"url": "ftp://hooks.example.org/"})
    page = Page.of(answer.content.decode())
    assert answer.status_code == 400
    assert (
        next(field for field in page.all("input") if field.get("name") == "url")["value"] == "ftp://hooks.example.org/"
    )
    assert not Endpoint.objects.exists()


def test_an_event_that_does_not_exist_is_refused(alices_browser: Client, scoped: Namespace) -> None:
    assert alices_browser.post(HOOKS, {"url": URL, "event_types": ["job.imagined"]}).status_code == 400
    assert not Endpoint.objects.exists()


def test_an_endpoint_is_removed_by_its_button(alices_browser: Client, scoped: Namespace) -> None:
    endpoint = make_endpoint(scoped)
    answer = alices_browser.post(f"{HOOKS}/{endpoint.external_id}/delete", follow=True)
    assert "No endpoints yet." in Page.of(answer.content.decode()).text
    assert not Endpoint.objects.exists()


def test_an_endpoint_that_was_given_up_is_switched_on_again(alices_browser: Client, scoped: Namespace) -> None:
    endpoint = make_endpoint(scoped, disabled_at=timezone.now(), disabled_reason="failing")
    page = Page.of(alices_browser.get(HOOKS).content.decode())
    assert "disabled failing" in page.text
    action = next(form["action"] for form in page.all("form") if form["action"].endswith("/enable"))
    alices_browser.post(action)
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is None


def test_deliveries_show_their_attempts_in_order_and_answers_as_text(alices_browser: Client, scoped: Namespace) -> None:
    delivery = make_delivery(make_endpoint(scoped), None, 503)
    page = Page.of(alices_browser.get(f"{HOOKS}/deliveries").content.decode())
    assert delivery.webhook_id in page.text
    assert page.text.index("connection refused") < page.text.index("503")
    assert "<b>busy</b>" in page.text
    assert page.all("b") == []
    assert "x" * ANSWER_CHARACTERS not in page.text


def test_a_delivery_that_waits_says_until_when(alices_browser: Client, scoped: Namespace) -> None:
    make_delivery(make_endpoint(scoped), next_attempt_at=timezone.now())
    text = Page.of(alices_browser.get(f"{HOOKS}/deliveries").content.decode()).text
    assert "next attempt" in text
    assert "Not attempted yet." in text


def test_members_and_strangers_see_no_webhooks(
    bobs_browser: Client, charlies_browser: Client, scoped: Namespace
) -> None:
    endpoint = make_endpoint(scoped)
    for browser in (bobs_browser, charlies_browser):
        assert browser.get(HOOKS).status_code == 404
        assert browser.get(f"{HOOKS}/deliveries").status_code == 404
        assert browser.post(f"{HOOKS}/{endpoint.external_id}/delete").status_code == 404
        assert "Webhooks" not in Page.of(browser.get("/acme").content.decode()).text


def test_an_endpoint_is_not_found_under_another_namespace(alices_browser: Client, scoped: Namespace) -> None:
    endpoint = make_endpoint(scoped)
    assert alices_browser.post(f"/settings/webhooks/alice/{endpoint.external_id}/delete").status_code == 404
    assert Endpoint.objects.exists()
