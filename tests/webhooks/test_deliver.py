"""A delivery is attempted by one worker at a time until it succeeds or its attempts are used up, and nothing is lost on the way."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction
from django.utils import timezone
from django_scopes import scopes_disabled
from redis import Redis
from standardwebhooks import Webhook

from apps.core.audit import verify_chain
from apps.core.models import AuditEvent
from apps.orgs.models import Namespace
from apps.orgs.scoping import within
from apps.webhooks import deliver, retries, tasks
from apps.webhooks.consume import consume
from apps.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint
from apps.webhooks.services import endpoint_delete, endpoint_enable
from tests.support.peers import answers, says
from tests.webhooks.conftest import Acme, Wire, happened

pytestmark = pytest.mark.django_db
Connect = Callable[..., Wire]


def due_now(delivery: Delivery) -> None:
    """As if the time had passed."""
    Delivery.objects.filter(id=delivery.id, state=DeliveryState.WAITING).update(
        next_attempt_at=timezone.now(), announced_at=None
    )


def now_is(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("endpoint").get(id=delivery.id)


def waits(delivery: Delivery) -> float:
    """Seconds until the next attempt."""
    found = now_is(delivery).next_attempt_at
    assert found is not None
    return float((found - timezone.now()).total_seconds())


def audited(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action))


def test_what_arrives_is_signed_and_what_comes_back_is_kept(wire: Connect) -> None:
    line = wire(answers(200, b"thanks"), job={"id": "job_1", "note": "Café"})
    deliver.attempt(line.delivery.id)
    (request,) = line.peer.requests
    assert request.line == "POST /hook HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.body == bytes(line.delivery.body)
    assert Webhook(line.secret).verify(request.body, request.headers)["data"]["job"]["note"] == "Café"
    assert request.headers["webhook-id"] == line.delivery.webhook_id
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.status, attempt.error, attempt.response) == (1, 200, "", "thanks")
    after = now_is(line.delivery)
    assert (after.state, after.attempts_made, after.next_attempt_at) == (DeliveryState.SUCCEEDED, 1, None)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_2xx_is_success(wire: Connect, status: int) -> None:
    line = wire(answers(status, b""))
    deliver.attempt(line.delivery.id)
    assert now_is(line.delivery).state == DeliveryState.SUCCEEDED


@pytest.mark.parametrize("status", [199, 300, 304, 400, 401, 404, 408, 418, 429, 500, 502, 503, 599])
def test_everything_else_is_tried_again(wire: Connect, status: int) -> None:
    line = wire(answers(status, b"no"))
    deliver.attempt(line.delivery.id)
    after = now_is(line.delivery)
    assert (after.state, after.attempts_made) == (DeliveryState.WAITING, 1)
    assert 4 < waits(line.delivery) <= 5.5
    assert after.endpoint.failing_since is not None
    assert Attempt.objects.get().status == status


def test_a_redirect_is_a_failure_and_is_not_followed(wire: Connect) -> None:
    line = wire(answers(302, b"", Location="http://127.0.0.1:1/"))
    deliver.attempt(line.delivery.id)
    attempt = Attempt.objects.get()
    assert attempt.status == 302
    assert attempt.error.startswith("redirect: ")
    assert now_is(line.delivery).state == DeliveryState.WAITING


@pytest.mark.parametrize("allowed", [[], ["127.0.0.1/32:1"]])
def test_an_address_that_is_not_open_is_not_called(wire: Connect, settings: Any, allowed: list[str]) -> None:
    line = wire()
    settings.ATRIUM_SAFE_HTTP_ALLOW = allowed
    deliver.attempt(line.delivery.id)
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error.partition(":")[0]) == (None, "address_forbidden")
    assert line.peer.connections == 0


def test_every_attempt_has_the_same_id_and_body_and_a_time_of_its_own(
    wire: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = wire(answers(500))
    for later in range(3):
        moment = timezone.now() + timedelta(seconds=later)
        monkeypatch.setattr(deliver.timezone, "now", lambda moment=moment: moment)
        due_now(line.delivery)
        deliver.attempt(line.delivery.id)
    requests = line.peer.requests
    assert len({(r.headers["webhook-id"], r.body) for r in requests}) == 1
    assert len({r.headers["webhook-timestamp"] for r in requests}) == 3
    for request in requests:
        Webhook(line.secret).verify(request.body, request.headers)


def test_ten_attempts_and_no_more(wire: Connect) -> None:
    line = wire(answers(500))
    for number in range(1, 11):
        due_now(line.delivery)
        deliver.attempt(line.delivery.id)
        if number < 10:
            base = retries.DELAYS[number].total_seconds()
            assert base - 2 < waits(line.delivery) <= base * 1.1
    after = now_is(line.delivery)
    assert (after.state, after.attempts_made, after.next_attempt_at) == (DeliveryState.FAILED, 10, None)
    due_now(line.delivery)
    assert deliver.attempt(line.delivery.id) is None
    assert [attempt.number for attempt in Attempt.objects.all()] == list(range(1, 11))
    assert after.endpoint.disabled_at is None


def test_a_delivery_that_is_not_due_is_left(wire: Connect) -> None:
    line = wire(answers(500))
    deliver.attempt(line.delivery.id)
    assert deliver.attempt(line.delivery.id) is None
    assert len(line.peer.requests) == 1


def test_a_task_that_runs_twice_attempts_once(wire: Connect) -> None:
    line = wire()
    tasks.deliver(str(line.delivery.id))
    tasks.deliver(str(line.delivery.id))
    tasks.deliver(str(uuid.uuid4()))
    assert len(line.peer.requests) == Attempt.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_attempt_at_once(wire: Connect) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slowly(peer: socket.socket) -> None:
        inside.set()
        go_on.wait(20)
        answers(200)(peer)

    line = wire(slowly)

    def work() -> None:
        with within(line.delivery.namespace_id):
            deliver.attempt(line.delivery.id)
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert inside.wait(20)
    # Sent outside any transaction: the row is not locked, and says until when it is taken.
    with transaction.atomic():
        assert Delivery.objects.select_for_update(nowait=True).get(id=line.delivery.id).state == DeliveryState.WAITING
    assert 30 < waits(line.delivery) <= 60
    assert deliver.attempt(line.delivery.id) is None
    tasks.sweep_due()
    go_on.set()
    worker.join(20)
    assert now_is(line.delivery).state == DeliveryState.SUCCEEDED
    assert len(line.peer.requests) == 1


def test_a_delivery_whose_worker_died_is_found_again(wire: Connect, valkey: Redis) -> None:
    line = wire()
    claim = deliver._claim(line.delivery.id)
    assert claim is not None
    tasks.sweep_due()
    assert valkey.llen("control") == 0
    long_ago = timezone.now() - timedelta(minutes=2)
    Delivery.objects.filter(id=line.delivery.id).update(next_attempt_at=long_ago, announced_at=long_ago)
    tasks.sweep_due()
    assert valkey.llen("control") == 1
    deliver.attempt(line.delivery.id)
    assert now_is(line.delivery).state == DeliveryState.SUCCEEDED


def test_a_failure_that_is_reported_late_does_not_move_the_next_attempt(wire: Connect) -> None:
    line = wire(answers(500))
    late = deliver._claim(line.delivery.id)
    assert late is not None
    due_now(line.delivery)
    fresh = deliver._claim(line.delivery.id)
    assert fresh is not None
    failed = deliver.Outcome(500, "", "", 1, None)
    deliver._record(late, failed)
    assert now_is(line.delivery).next_attempt_at == fresh.lease_until
    deliver._record(fresh, deliver.Outcome(200, "", "", 1, None))
    deliver._record(late, failed)
    after = now_is(line.delivery)
    assert (after.state, after.attempts_made) == (DeliveryState.SUCCEEDED, 3)


def test_retry_after_is_honoured(wire: Connect) -> None:
    line = wire(answers(503, b"", Retry_After="600"))
    deliver.attempt(line.delivery.id)
    assert 590 < waits(line.delivery) <= 600
    assert now_is(line.delivery).endpoint.not_before is None


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_overloaded_endpoint_is_left_alone_by_all_its_deliveries(wire: Connect, status: int) -> None:
    line = wire(answers(status, b"", Retry_After="120"))
    deliver.attempt(line.delivery.id)
    consume(happened(line.delivery.namespace_id))
    second = Delivery.objects.exclude(id=line.delivery.id).get()
    assert deliver.attempt(second.id) is None
    assert len(line.peer.requests) == 1
    assert 110 < waits(second) <= 120
    assert now_is(second).attempts_made == 0


def test_success_ends_failing_and_slowness(wire: Connect) -> None:
    line = wire()
    Endpoint.objects.update(failing_since=timezone.now() - timedelta(hours=100), not_before=timezone.now())
    deliver.attempt(line.delivery.id)
    endpoint = Endpoint.objects.get()
    assert (endpoint.failing_since, endpoint.not_before, endpoint.disabled_at) == (None, None, None)


def test_gone_disables_at_once(wire: Connect, acme: Acme) -> None:
    line = wire(answers(410))
    consume(happened(line.delivery.namespace_id))
    deliver.attempt(line.delivery.id)
    endpoint = Endpoint.objects.get()
    assert (endpoint.disabled_reason, endpoint.disabled_at is not None) == ("gone", True)
    assert {delivery.state for delivery in Delivery.objects.all()} == {DeliveryState.FAILED}
    (event,) = audited("webhook.disable")
    assert event.actor_id is None
    assert b'"given_up":2' in bytes(event.body)
    (letter,) = mail.outbox
    assert letter.to == ["alice@example.org"]
    assert endpoint.url in letter.body and line.secret not in letter.body
    consume(happened(line.delivery.namespace_id))
    assert Delivery.objects.count() == 2


@pytest.mark.parametrize(("hours", "disabled"), [(119, False), (121, True)])
def test_five_days_of_nothing_but_failures_disable(wire: Connect, hours: int, disabled: bool) -> None:
    line = wire(answers(500))
    Endpoint.objects.update(failing_since=timezone.now() - timedelta(hours=hours))
    deliver.attempt(line.delivery.id)
    endpoint = Endpoint.objects.get()
    assert (endpoint.disabled_at is not None) == disabled
    assert endpoint.disabled_reason == ("failing" if disabled else "")
    assert len(audited("webhook.disable")) == len(mail.outbox) == int(disabled)


def test_an_enabled_endpoint_starts_anew(wire: Connect, acme: Acme) -> None:
    line = wire(answers(410))
    deliver.attempt(line.delivery.id)
    endpoint = endpoint_enable(actor=acme.who("alice"), endpoint=line.endpoint)
    assert (endpoint.disabled_at, endpoint.failing_since, endpoint.disabled_reason) == (None, None, "")
    consume(happened(line.delivery.namespace_id))
    fresh = Delivery.objects.exclude(id=line.delivery.id).get()
    assert fresh.state == DeliveryState.WAITING
    assert now_is(line.delivery).state == DeliveryState.FAILED


def test_a_delivery_of_a_disabled_endpoint_is_not_sent(wire: Connect) -> None:
    line = wire()
    Endpoint.objects.update(disabled_at=timezone.now())
    assert deliver.attempt(line.delivery.id) is None
    assert line.peer.connections == 0
    assert now_is(line.delivery).state == DeliveryState.FAILED


def test_an_endpoint_that_is_deleted_meanwhile_leaves_nothing_to_record(wire: Connect, acme: Acme) -> None:
    line = wire()
    claim = deliver._claim(line.delivery.id)
    assert claim is not None
    endpoint_delete(actor=acme.who("alice"), endpoint=line.endpoint)
    assert not deliver._record(claim, deliver.Outcome(200, "", "", 1, None))
    assert Attempt.objects.count() == Delivery.objects.count() == 0


@pytest.mark.parametrize("size", [10, 64 * 1024, 200_000])
def test_of_the_answer_64_kilobytes_are_kept(wire: Connect, size: int) -> None:
    line = wire(answers(200, b"x" * size))
    deliver.attempt(line.delivery.id)
    assert len(Attempt.objects.get().response) == min(size, 64 * 1024)


@pytest.mark.parametrize("body", [b"\x00\x01", b"\xff\xfe", b"\xc3", "ü".encode()])
def test_any_bytes_of_an_answer_can_be_kept(wire: Connect, body: bytes) -> None:
    line = wire(answers(200, body))
    deliver.attempt(line.delivery.id)
    assert now_is(line.delivery).state == DeliveryState.SUCCEEDED
    assert "\x00" not in Attempt.objects.get().response


def test_what_is_no_http_is_a_failure(wire: Connect) -> None:
    line = wire(says(b"220 mail.example ESMTP\r\n"))
    deliver.attempt(line.delivery.id)
    assert Attempt.objects.get().error.startswith("bad_response: ")


def test_a_secret_that_cannot_be_read_is_said_in_the_log(wire: Connect) -> None:
    line = wire()
    Endpoint.objects.update(secret="lost:x")
    deliver.attempt(line.delivery.id)
    assert Attempt.objects.get().error.startswith("secret_unreadable: ")
    assert line.peer.connections == 0


def test_the_sweep_tells_of_what_is_due_and_once(wire: Connect, valkey: Redis) -> None:
    line = wire()
    tasks.sweep_due()
    # Told by the event itself a moment ago.
    assert valkey.llen("control") == 0
    Delivery.objects.update(announced_at=timezone.now() - timedelta(seconds=31))
    tasks.sweep_due()
    tasks.sweep_due()
    assert valkey.llen("control") == 1
    Delivery.objects.update(announced_at=None, next_attempt_at=timezone.now() + timedelta(seconds=60))
    tasks.sweep_due()
    assert valkey.llen("control") == 1
    Delivery.objects.update(announced_at=None, next_attempt_at=timezone.now(), state=DeliveryState.SUCCEEDED)
    tasks.sweep_due()
    assert valkey.llen("control") == 1
    assert line.peer.connections == 0


def test_the_chain_holds_what_the_server_did_by_itself(wire: Connect, tenant: Namespace) -> None:
    line = wire(answers(410))
    deliver.attempt(line.delivery.id)
    with scopes_disabled(), connection.cursor() as cursor:
        # Within a test's transaction the deferred trigger has not run yet.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert verify_chain(tenant.id).problem == ""
