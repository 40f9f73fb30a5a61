"""The webhooks' REST API as a client sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.orgs.models import Namespace
from apps.webhooks import deliver
from apps.webhooks.consume import consume
from apps.webhooks.models import Delivery, Endpoint
from tests.factories import bearer
from tests.support.peers import answers
from tests.webhooks.conftest import Acme, MakeEndpoint, Wire, happened

pytestmark = pytest.mark.django_db
BASE = "/api/v1/namespaces/acme/webhooks"
URL = "https://hooks.example/atrium"


@pytest.fixture
def call(client: Client, acme: Acme) -> Callable[..., Any]:
    """`call("POST", path, body, who="alice")` → the answer."""
    tokens: dict[tuple[str, str], dict[str, str]] = {}

    def send(
        method: str, path: str, body: Any = None, *, who: str | None = "alice", role: str = "write", **headers: str
    ) -> Any:
        if who and (who, role) not in tokens:
            tokens[who, role] = bearer(getattr(acme, who), role=role)
        return client.generic(
            method,
            path,
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers={**(tokens[who, role] if who else {}), **{k.replace("_", "-"): v for k, v in headers.items()}},
        )

    return send


def test_the_life_of_an_endpoint(call: Callable[..., Any]) -> None:
    made = call("POST", BASE, {"url": URL, "event_types": ["job.finished"]})
    assert made.status_code == 201
    assert made["Cache-Control"] == "no-store"
    body = made.json()
    assert set(body) == {
        "id", "url", "event_types", "created_by", "created_at", "failing_since", "disabled_at", "disabled_reason", "secret",
    }  # fmt: skip
    assert (body["created_by"], body["event_types"]) == ("alice", ["job.finished"])
    one = f"{BASE}/{body['id']}"
    secret = body.pop("secret")
    assert secret.startswith("whsec_")
    assert call("GET", one).json() == body
    assert call("GET", BASE, who="carol").json() == {"items": [body], "next_cursor": None}
    assert call("PATCH", one, {"event_types": []}).json() == {**body, "event_types": []}
    assert call("POST", f"{one}/enable").status_code == 200
    assert call("DELETE", one).status_code == 204
    assert call("GET", one).status_code == 404


def test_a_repeated_request_gets_the_first_endpoint(call: Callable[..., Any]) -> None:
    first = call("POST", BASE, {"url": URL}, Idempotency_Key="k")
    again = call("POST", BASE, {"url": URL}, Idempotency_Key="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "secret": None}
    other = call("POST", BASE, {"url": URL + "/other"}, Idempotency_Key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "bad_input"), ([], "bad_input"), ({"url": 5, "event_types": "x"}, "bad_input"), ({"url": None}, "bad_input"),
        ({"url": "nonsense"}, "bad_webhook_url"), ({"url": "http://10.0.0.1/"}, "bad_webhook_url"),
        ({"url": URL, "event_types": ["x"]}, "unknown_event_type"), ({"url": "x" * 2001}, "bad_input"),
    ],
)  # fmt: skip
def test_a_bad_body_is_said_to_be_bad(call: Callable[..., Any], body: Any, code: str) -> None:
    answer = call("POST", BASE, body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("who", [None, "charlie", "bob"])
def test_for_others_there_is_nothing(
    call: Callable[..., Any], tenant: Namespace, make_endpoint: MakeEndpoint, who: str
) -> None:
    endpoint, _ = make_endpoint()
    one = f"{BASE}/{endpoint.external_id}"
    for method, path, body in (
        ("GET", BASE, None), ("POST", BASE, {"url": URL}), ("POST", BASE, {"url": 1}), ("GET", one, None),
        ("PATCH", one, {"url": URL}), ("PATCH", one, {"url": 1}), ("DELETE", one, None), ("POST", f"{one}/enable", None),
        ("GET", f"{one}/deliveries", None), ("GET", f"{one}/deliveries/dlv_x", None),
    ):  # fmt: skip
        assert call(method, path, body, who=who).status_code == 404, (method, path)
    assert Endpoint.objects.count() == 1


def test_a_read_token_may_look_but_not_touch(
    call: Callable[..., Any], tenant: Namespace, make_endpoint: MakeEndpoint
) -> None:
    endpoint, _ = make_endpoint()
    one = f"{BASE}/{endpoint.external_id}"
    assert call("GET", one, role="read").status_code == 200
    for method, path in (("POST", BASE), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/enable")):
        refused = call(method, path, {"url": URL}, role="read")
        assert (refused.status_code, refused.json()["code"]) == (403, "token_is_read_only"), (method, path)


def test_no_such_namespace_endpoint_or_delivery(
    call: Callable[..., Any], tenant: Namespace, make_endpoint: MakeEndpoint
) -> None:
    endpoint, _ = make_endpoint()
    for path in (
        "/api/v1/namespaces/nobody/webhooks", "/api/v1/namespaces/%00/webhooks", f"{BASE}/whk_x",
        f"{BASE}/{endpoint.external_id}/deliveries/dlv_x", f"{BASE}/whk_x/deliveries",
    ):  # fmt: skip
        assert call("GET", path).status_code == 404, path


def test_the_log_shows_every_attempt(call: Callable[..., Any], wire: Callable[..., Wire]) -> None:
    line = wire(answers(500, b"out of order"), job={"id": "job_1", "note": "Café"})
    deliver.attempt(line.delivery.id)
    log = f"{BASE}/{line.endpoint.external_id}/deliveries"
    (row,) = call("GET", log).json()["items"]
    assert (row["event_type"], row["state"], row["attempts_made"], row["last_status"]) == (
        "job.finished",
        "waiting",
        1,
        500,
    )
    assert row["webhook_id"] == line.peer.requests[0].headers["webhook-id"]
    detail = call("GET", f"{log}/{row['id']}").json()
    assert detail["body"] == line.peer.requests[0].body.decode()
    (attempt,) = detail["attempts"]
    assert (attempt["number"], attempt["status"], attempt["response"]) == (1, 500, "out of order")
    other, _ = call("POST", BASE, {"url": URL}), None
    assert call("GET", f"{BASE}/{other.json()['id']}/deliveries/{row['id']}").status_code == 404


def test_the_log_comes_in_pages_with_as_many_queries_at_any_size(
    call: Callable[..., Any], tenant: Namespace, make_endpoint: MakeEndpoint, django_assert_max_num_queries: Any
) -> None:
    endpoint, _ = make_endpoint()
    log = f"{BASE}/{endpoint.external_id}/deliveries"
    consume(happened(tenant.id))
    call("GET", log)
    with django_assert_max_num_queries(20) as few:
        call("GET", log)
    for _ in range(11):
        consume(happened(tenant.id))
    with django_assert_max_num_queries(20) as many:
        call("GET", log)
    assert len(few) == len(many)
    seen: list[str] = []
    cursor = ""
    while True:
        page = call("GET", f"{log}?limit=5&cursor={cursor}").json()
        seen += [row["id"] for row in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == Delivery.objects.count() == 12
    assert call("GET", f"{log}?cursor=x").json()["code"] == "bad_cursor"


def test_a_session_needs_the_csrf_token(acme: Acme) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(acme.alice, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(BASE).status_code == 200
    refused = client.post(BASE, {"url": URL}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
