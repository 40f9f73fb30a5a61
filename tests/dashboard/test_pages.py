"""What every page has in common, the start page, and the pages of errors."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.core.principal import Principal
from apps.orgs.models import Namespace
from tests.dashboard.conftest import MakeJob, MakeRepository
from tests.support.html import Page


def page(browser: Client, path: str, status: int = 200) -> Page:
    answer = browser.get(path)
    assert answer.status_code == status
    return Page.of(answer.content.decode())


def test_the_anonymous_is_welcomed_and_told_how_to_begin(anonymous_browser: Client) -> None:
    shown = page(anonymous_browser, "/")
    assert "export HF_ENDPOINT=http://127.0.0.1" in shown.text
    assert {"/accounts/login/", "/accounts/signup/"} <= {link["href"] for link in shown.all("a")}


def test_the_start_page_shows_what_one_has(
    bobs_browser: Client, acme: Namespace, make_job: MakeJob, bob: User, make_repository: MakeRepository
) -> None:
    from apps.accounts.authentication import principal_of
    from apps.repositories.services import repository_create

    job = make_job()
    repository_create(actor=principal_of(bob), namespace=Namespace.objects.get(user=bob), kind="model", name="mine")
    shown = page(bobs_browser, "/")
    assert "bob/mine" in shown.text
    assert "acme member" in shown.text
    assert job.external_id in shown.text
    # Only those who keep the organisation's webhooks are led to them.
    assert "/settings/webhooks/acme" not in {link["href"] for link in shown.all("a")}


def test_the_start_page_of_somebody_new_is_empty_and_says_so(charlies_browser: Client, make_job: MakeJob) -> None:
    make_job()
    text = page(charlies_browser, "/").text
    for sentence in ("No repositories yet.", "You belong to no organisation.", "No jobs yet."):
        assert sentence in text


def test_a_job_s_token_sees_no_jobs_on_the_start_page(make_job: MakeJob, as_alice: Principal) -> None:
    from dataclasses import replace

    from apps.core.principal import Narrowing
    from apps.dashboard.selectors import recent_jobs

    make_job()
    assert recent_jobs(as_alice)
    assert recent_jobs(replace(as_alice, narrowing=Narrowing(frozenset(), frozenset()), cache={})) == []


def test_namespaces_are_found_in_any_case(anonymous_browser: Client, acme: Namespace) -> None:
    assert "acme" in page(anonymous_browser, "/ACME").text


@pytest.mark.parametrize(
    "path", ["/nobody", "/nobody/nothing", "/a/b/c/d", "/jobs/nobody", "/robots.txt", "/datasets/a"]
)
def test_what_is_not_there_is_a_page_with_a_way_out(anonymous_browser: Client, path: str) -> None:
    shown = page(anonymous_browser, path, 404)
    assert "404" in shown.text
    assert "/" in {link["href"] for link in shown.all("a")}


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_address_of_no_page_is_not_found_in_the_words_of_its_clients(anonymous_browser: Client, method: str) -> None:
    hub = getattr(anonymous_browser, method)("/api/agent-harnesses")
    own = getattr(anonymous_browser, method)("/api/v1/nothing")
    assert (hub.status_code, own.status_code) == (404, 404)
    assert hub["Content-Type"] == "application/json"
    assert own["Content-Type"] == "application/problem+json"


def test_a_reserved_word_is_no_namespace(anonymous_browser: Client) -> None:
    assert anonymous_browser.post("/static/nothing").status_code == 404
    assert anonymous_browser.post("/models/nothing").status_code == 404


def test_an_error_page_names_the_request(anonymous_browser: Client) -> None:
    answer = anonymous_browser.get("/nobody", headers={"X-Request-Id": "seen-by-alice"})
    assert "seen-by-alice" in answer.content.decode()


def test_the_anonymous_is_led_from_an_error_to_the_log_in_and_back(anonymous_browser: Client) -> None:
    links = {link["href"] for link in page(anonymous_browser, "/acme/secret?x=1", 404).all("a")}
    assert "/accounts/login/?next=%2Facme%2Fsecret%3Fx%3D1" in links


def test_a_page_takes_its_own_methods_only(alices_browser: Client) -> None:
    assert alices_browser.put("/settings/tokens").status_code == 405
    assert alices_browser.post("/").status_code == 405
    assert alices_browser.head("/").status_code == 200


def test_a_form_of_the_anonymous_leads_to_the_log_in(anonymous_browser: Client) -> None:
    assert anonymous_browser.post("/settings/tokens")["Location"] == "/accounts/login/?next=/"


def test_a_defect_is_answered_by_a_page_that_tells_nothing(
    alices_browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("the secret reason")

    monkeypatch.setattr("apps.dashboard.views.home.recent_jobs", broken)
    alices_browser.raise_request_exception = False
    answer = alices_browser.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in Page.of(answer.content.decode()).text
    assert "secret reason" not in answer.content.decode()


def test_text_of_people_is_escaped_everywhere(alices_browser: Client, acme: Namespace) -> None:
    Namespace.objects.filter(id=acme.id).update(full_name="<img src=x onerror=alert(1)>")
    shown = page(alices_browser, "/acme")
    assert shown.all("img") == []
    assert "<img src=x onerror=alert(1)>" in shown.text
