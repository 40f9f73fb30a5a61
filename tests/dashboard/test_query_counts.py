"""A list costs the same number of queries with one row and with fifty."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.accounts.services import token_create
from apps.core.ids import new_id
from apps.orgs.models import Namespace
from apps.repositories.models import Repository
from tests.dashboard.conftest import MakeJob
from tests.dashboard.test_webhook_pages import make_delivery, make_endpoint
from tests.support.html import Page

ROWS = 50


def queries(browser: Client, path: str, shown: str, rows: int) -> int:
    """Queries of one request, whose page must show that many rows."""
    with CaptureQueriesContext(connection) as captured:
        answer = browser.get(path)
    assert answer.status_code == 200
    assert Page.of(answer.content.decode()).text.count(shown) >= rows
    return len(captured)


def assert_constant(browser: Client, path: str, shown: str, make: Callable[[int], object]) -> None:
    make(0)
    with_one = queries(browser, path, shown, 1)
    for number in range(1, ROWS):
        make(number)
    assert queries(browser, path, shown, ROWS) == with_one
    assert with_one < 15


def test_the_list_of_jobs(alices_browser: Client, make_job: MakeJob) -> None:
    assert_constant(alices_browser, "/jobs/acme", "clip.zero_shot", lambda number: make_job())


def test_the_start_page(alices_browser: Client, make_job: MakeJob, alice: User) -> None:
    own = Namespace.objects.get(user=alice)

    def make(number: int) -> None:
        make_job()
        repository_row(own, number)

    # The start page shows ten of each.
    make(0)
    with_one = queries(alices_browser, "/", "clip.zero_shot", 1)
    for number in range(1, ROWS):
        make(number)
    assert queries(alices_browser, "/", "clip.zero_shot", 10) == with_one


def test_the_list_of_tokens(alices_browser: Client, alice: User) -> None:
    own = Namespace.objects.get(user=alice)
    expires = timezone.now() + timedelta(days=1)

    def make(number: int) -> None:
        token_create(
            actor=principal_of(alice),
            user=alice,
            namespace_id=own.id,
            name=f"n{number}",
            role="read",
            expires_at=expires,
        )

    assert_constant(alices_browser, "/settings/tokens", "atr_pat_", make)


def test_the_list_of_endpoints(alices_browser: Client, scoped: Namespace) -> None:
    assert_constant(alices_browser, "/settings/webhooks/acme", "whk_", lambda number: make_endpoint(scoped))


def test_the_list_of_deliveries(alices_browser: Client, scoped: Namespace) -> None:
    endpoint = make_endpoint(scoped)
    path = "/settings/webhooks/acme/deliveries"
    assert_constant(alices_browser, path, "job.finished", lambda number: make_delivery(endpoint, 500, 200))


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_the_list_of_repositories(alices_browser: Client, acme: Namespace, visibility: str) -> None:
    assert_constant(alices_browser, "/acme", "acme/n", lambda number: repository_row(acme, number, visibility))


def repository_row(namespace: Namespace, number: int, visibility: str = "private") -> None:
    """A row without a directory: lists do not look into git."""
    Repository.everything.create(
        id=new_id(), namespace=namespace, kind="model", name=f"n{number}", name_key=f"n{number}", visibility=visibility
    )
