"""An event is owed once to every endpoint that wants it, as bytes that never change."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from redis import Redis

from apps.core import events
from apps.core.models import OutboxEvent
from apps.orgs.models import Namespace
from apps.orgs.scoping import within
from apps.webhooks.consume import consume
from apps.webhooks.event_types import event_types
from apps.webhooks.models import Delivery, DeliveryState
from apps.webhooks.payloads import MAX_BODY, body_of
from apps.webhooks.services import endpoint_disable
from tests.factories import make_organisation
from tests.webhooks.conftest import Acme, MakeEndpoint, happened

pytestmark = pytest.mark.django_db


def test_the_types_that_leave_are_registered_actions() -> None:
    assert list(event_types) == ["job.finished", "repository.push"]
    assert all(name in events.actions for name in event_types)


def test_an_event_is_owed_once_however_often_it_comes(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    endpoint, _ = make_endpoint()
    event = happened(tenant.id, job={"id": "job_1"})
    consume(event)
    first = Delivery.objects.get()
    consume(event)
    again = Delivery.objects.get()
    assert (again.id, again.endpoint_id, again.event_id) == (first.id, endpoint.id, event.id)
    assert (again.state, again.attempts_made) == (DeliveryState.WAITING, 0)
    assert again.webhook_id.startswith("evt_")


def test_the_body_says_type_time_and_data(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    make_endpoint()
    event = happened(tenant.id, job={"id": "job_1", "state": "succeeded", "note": "Café"})
    consume(event)
    body = json.loads(bytes(Delivery.objects.get().body))
    assert set(body) == {"type", "timestamp", "data"}
    assert body["type"] == "job.finished"
    assert body["timestamp"].endswith("Z") and body["timestamp"] == event.created_at.isoformat().replace("+00:00", "Z")
    assert body["data"]["job"] == {"id": "job_1", "state": "succeeded", "note": "Café"}
    assert body["data"]["actor"]["type"] == "system"
    assert body["data"]["targets"][0]["name"] == "job_1"


@pytest.mark.parametrize(
    ("types", "action", "owed"),
    [
        ((), "job.finished", True),
        ((), "repository.push", True),
        (("job.finished",), "job.finished", True),
        (("repository.push",), "job.finished", False),
        (("job.finished", "repository.push"), "repository.push", True),
        # Audited, but nothing that leaves the server.
        ((), "member.set", False),
        ((), "token.create", False),
    ],
)
def test_an_endpoint_hears_what_it_asked_for(
    tenant: Namespace, make_endpoint: MakeEndpoint, types: tuple[str, ...], action: str, owed: bool
) -> None:
    make_endpoint("https://hooks.example/", *types)
    consume(happened(tenant.id, action))
    assert Delivery.objects.count() == int(owed)


def test_endpoints_of_others_and_disabled_ones_hear_nothing(
    acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint
) -> None:
    endpoint, _ = make_endpoint()
    other = make_organisation("other", owner=acme.charlie)
    with within(other.id):
        consume(happened(other.id))
    endpoint_disable(endpoint=endpoint, reason="failing")
    consume(happened(tenant.id))
    assert Delivery.objects.count() == 0


def test_each_endpoint_is_owed_its_own_delivery_with_one_id(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    for number in range(3):
        make_endpoint(f"https://hooks.example/{number}")
    consume(happened(tenant.id))
    found = list(Delivery.objects.all())
    assert len({delivery.endpoint_id for delivery in found}) == len(found) == 3
    assert len({delivery.webhook_id for delivery in found}) == 1
    assert len({bytes(delivery.body) for delivery in found}) == 1


def test_the_dispatcher_reaches_webhooks(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    make_endpoint()
    event = happened(tenant.id)
    assert events.dispatch(event.id)
    assert Delivery.objects.get().event_id == event.id


@pytest.mark.django_db(transaction=True)
def test_the_first_attempt_is_asked_for_after_the_commit(
    tenant: Namespace, make_endpoint: MakeEndpoint, valkey: Redis
) -> None:
    make_endpoint()
    event = happened(tenant.id)
    valkey.flushdb()
    assert events.dispatch(event.id)
    raw = valkey.lrange("control", 0, -1)
    assert isinstance(raw, list)
    (message,) = [json.loads(item) for item in raw]
    assert message["headers"]["task"] == "webhooks.deliver"
    assert message["headers"]["atrium_namespace"] == str(tenant.id)
    assert str(Delivery.objects.get().id) in message["headers"]["argsrepr"]


def event_with(**payload: Any) -> OutboxEvent:
    return OutboxEvent(id=uuid.uuid4(), type="job.finished", payload=payload, created_at=happened_at())


def happened_at() -> Any:
    from django.utils import timezone

    return timezone.now()


@pytest.mark.parametrize(
    ("payload", "omitted"),
    [
        ({"job": {"id": "job_1", "summary": "x" * 30_000}}, ["job.summary"]),
        ({"job": {"id": "job_1", "summary": "x" * 30_000, "pins": {"a": "y" * 25_000}}}, ["job.summary", "job.pins"]),
        ({"blob": "ü" * 15_000, "job": {"id": "job_1"}}, ["blob"]),
        ({"rows": [{"n": 1}] * 10_000, "job": {"id": "job_1"}}, ["rows"]),
    ],
)
def test_a_body_stays_below_its_limit_and_says_what_is_left_out(payload: dict[str, Any], omitted: list[str]) -> None:
    body = body_of(event_with(**payload))
    assert len(body) < MAX_BODY
    data = json.loads(body)["data"]
    assert data["omitted"] == omitted
    assert data["job"]["id"] == "job_1"


def test_a_small_body_is_left_as_it_is() -> None:
    event = event_with(job={"id": "job_1", "empty": {}})
    data = json.loads(body_of(event))["data"]
    assert data == {"job": {"id": "job_1", "empty": {}}}
    assert event.payload == data
