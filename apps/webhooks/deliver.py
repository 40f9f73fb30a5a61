"""One attempt at a delivery: claimed in one transaction, sent in none, recorded in another.

A claim is a lease: `next_attempt_at` moves beyond the longest possible attempt, so no second worker starts, and if this
one dies the sweep finds the delivery when the lease is over. What is sent again carries the same `webhook-id`.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.utils import timezone

from apps.core.crypto import DecryptionFailed
from apps.core.safe_http import MAX_TIMEOUT, SafeHttpError, safe_request
from apps.webhooks import retries
from apps.webhooks.mail import tell_of_disabled
from apps.webhooks.models import Attempt, Delivery, DeliveryState, Endpoint
from apps.webhooks.services import FAILING, GONE, endpoint_disable, secret_of
from apps.webhooks.signing import signed_headers

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=2 * MAX_TIMEOUT)
MAX_RESPONSE = 64 * 1024
USER_AGENT = "Atrium-Webhooks/1 (Standard Webhooks 1.0)"


@dataclass(frozen=True)
class Claim:
    """A delivery that is ours until `lease_until`."""

    delivery: Delivery
    endpoint: Endpoint
    started_at: datetime
    lease_until: datetime


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt. `error` is empty when an answer came, whatever its status."""

    status: int | None
    error: str
    response: str
    milliseconds: int
    retry_after: timedelta | None

    @property
    def succeeded(self) -> bool:
        return not self.error and self.status is not None and 200 <= self.status < 300


def attempt(delivery_id: uuid.UUID) -> Outcome | None:
    """Tries once; None when there is nothing to do (not due, in other hands, done, gone). Needs the tenant's scope."""
    claim = _claim(delivery_id)
    if claim is None:
        return None
    outcome = _send(claim)
    disabled = _record(claim, outcome)
    log.info("webhook.attempt", delivery_id=str(delivery_id), status=outcome.status, error=outcome.error)
    if disabled:
        tell_of_disabled(claim.endpoint)
    return outcome


def _claim(delivery_id: uuid.UUID) -> Claim | None:
    now = timezone.now()
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("endpoint__namespace", "endpoint__created_by")
            .filter(id=delivery_id, state=DeliveryState.WAITING, next_attempt_at__lte=now)
            .first()
        )
        if delivery is None:
            return None
        endpoint = delivery.endpoint
        if endpoint.disabled_at is not None:
            delivery.state, delivery.next_attempt_at = DeliveryState.FAILED, None
            delivery.save(update_fields=["state", "next_attempt_at"])
            return None
        if endpoint.not_before is not None and endpoint.not_before > now:
            delivery.next_attempt_at, delivery.announced_at = endpoint.not_before, None
            delivery.save(update_fields=["next_attempt_at", "announced_at"])
            return None
        lease_until = now + LEASE
        delivery.next_attempt_at, delivery.announced_at = lease_until, now
        delivery.save(update_fields=["next_attempt_at", "announced_at"])
    return Claim(delivery, endpoint, now, lease_until)


def _send(claim: Claim) -> Outcome:
    started = time.monotonic()
    try:
        body = bytes(claim.delivery.body)
        signed = signed_headers(
            secret=secret_of(claim.endpoint),
            message_id=claim.delivery.webhook_id,
            timestamp=int(claim.started_at.timestamp()),
            body=body,
        )
        answer = safe_request(
            "POST",
            claim.endpoint.url,
            headers={"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed},
            body=body,
            max_response_bytes=MAX_RESPONSE,
        )
    except SafeHttpError as error:
        return Outcome(error.status, f"{error.code}: {error.message}"[:300], "", _since(started), None)
    except DecryptionFailed:
        return Outcome(
            None, "secret_unreadable: the key that this endpoint's secret was stored with is gone", "", 0, None
        )
    # PostgreSQL holds every character but NUL.
    text = answer.body.decode("utf-8", "replace").replace("\x00", "\ufffd")
    retry_after = retries.parse_retry_after(answer.headers.get("retry-after"), now=timezone.now())
    return Outcome(answer.status, "", text, _since(started), retry_after)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _record(claim: Claim, outcome: Outcome) -> bool:
    """Writes the attempt and what follows from it. True when the endpoint was disabled."""
    with transaction.atomic():
        # Endpoint first, as everywhere: whoever disables or deletes it takes its deliveries afterwards.
        endpoint = (
            Endpoint.objects.select_for_update(of=("self",))
            .select_related("namespace")
            .filter(id=claim.endpoint.id)
            .first()
        )
        delivery = Delivery.objects.select_for_update(of=("self",)).filter(id=claim.delivery.id).first()
        if endpoint is None or delivery is None:
            return False
        delivery.attempts_made += 1
        Attempt.objects.create(
            delivery=delivery,
            namespace_id=delivery.namespace_id,
            number=delivery.attempts_made,
            at=claim.started_at,
            milliseconds=outcome.milliseconds,
            status=outcome.status,
            error=outcome.error,
            response=outcome.response,
        )
        if outcome.succeeded:
            delivery.state, delivery.next_attempt_at = DeliveryState.SUCCEEDED, None
            endpoint.failing_since, endpoint.not_before = None, None
        else:
            _plan_next(delivery, claim, outcome)
            _note_failure(endpoint, claim, outcome)
        delivery.save(update_fields=["state", "attempts_made", "next_attempt_at", "announced_at"])
        endpoint.save(update_fields=["failing_since", "not_before"])
        reason = _reason_to_disable(endpoint, outcome)
        if reason:
            endpoint_disable(endpoint=endpoint, reason=reason)
        return bool(reason)


def _plan_next(delivery: Delivery, claim: Claim, outcome: Outcome) -> None:
    """The next attempt, unless the lease ran out meanwhile: then it is in another worker's hands."""
    if delivery.state != DeliveryState.WAITING or delivery.next_attempt_at != claim.lease_until:
        return
    delay = retries.delay_before(delivery.attempts_made + 1, retry_after=outcome.retry_after)
    delivery.announced_at = None
    if delay is None:
        delivery.state, delivery.next_attempt_at = DeliveryState.FAILED, None
    else:
        delivery.next_attempt_at = timezone.now() + delay


def _note_failure(endpoint: Endpoint, claim: Claim, outcome: Outcome) -> None:
    endpoint.failing_since = endpoint.failing_since or claim.started_at
    if outcome.status in retries.OVERLOADED:
        endpoint.not_before = timezone.now() + max(outcome.retry_after or timedelta(0), retries.SLOW_DOWN)


def _reason_to_disable(endpoint: Endpoint, outcome: Outcome) -> str:
    if endpoint.disabled_at is not None or outcome.succeeded:
        return ""
    if outcome.status == 410:
        return GONE
    if endpoint.failing_since is not None and timezone.now() - endpoint.failing_since >= retries.GIVE_UP_AFTER:
        return FAILING
    return ""
