"""Endpoints are made, changed and removed here, each act audited. Sending is `apps.webhooks.deliver`'s matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.core import idempotency
from apps.core.changes import Act, change
from apps.core.crypto import decrypt, encrypt
from apps.core.errors import BadInput, Conflict, Gone
from apps.core.ids import new_id
from apps.core.principal import Principal, system
from apps.core.safe_http import SafeHttpError, check_url
from apps.orgs.models import Namespace
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource, within
from apps.webhooks.event_types import event_types as known_types
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from apps.webhooks.signing import new_secret

OPERATION = "webhook.create"
MAX_URL = 2000
MAX_ENDPOINTS = 100
# Why an endpoint hears nothing any more.
GONE = "gone"
FAILING = "failing"


@dataclass(frozen=True)
class Created:
    """An endpoint and, when it is new, its secret: the only time that it is shown."""

    endpoint: Endpoint
    secret: str | None


def endpoint_create(
    *,
    actor: Principal,
    namespace: Namespace,
    url: str,
    event_types: Sequence[str] = (),
    idempotency_key: str | None = None,
) -> Created:
    """A receiver of the namespace's events. No types means all that webhooks carry.

    A repeated idempotency key gets the first endpoint, without its secret. Raises BadInput (URL, types), Conflict (too
    many, key used for something else), Forbidden, NotFound.
    """
    require(actor, "webhook.create", NamespaceResource(namespace), sees="webhook.read")
    key = idempotency.checked_key(idempotency_key)
    digest = idempotency.body_digest({"url": url, "event_types": list(event_types)})
    with within(namespace.id):
        if key:
            earlier = idempotency.earlier(namespace_id=namespace.id, operation=OPERATION, key=key, digest=digest)
            if earlier is not None:
                return Created(_still_there(earlier), None)
        secret = new_secret()
        endpoint = Endpoint(id=new_id(), namespace=namespace, created_by_id=actor.user_id, secret=encrypt(secret))
        endpoint.url, endpoint.event_types = _checked_url(url), _checked_types(event_types)
        with change(actor=actor, action="webhook.create", namespace_id=namespace.id) as act:
            # The namespace's row is the lock under which endpoints are counted.
            Namespace.objects.select_for_update(no_key=True).get(id=namespace.id)
            if Endpoint.objects.count() >= MAX_ENDPOINTS:
                raise Conflict(
                    f"A namespace has at most {MAX_ENDPOINTS} webhooks; delete one first.", code="too_many_webhooks"
                )
            endpoint.save(force_insert=True)
            if key:
                idempotency.remember(
                    namespace_id=namespace.id, operation=OPERATION, key=key, digest=digest, target_id=endpoint.id
                )
            _describe(act, endpoint)
    return Created(endpoint, secret)


def endpoint_update(
    *, actor: Principal, endpoint: Endpoint, url: str | None = None, event_types: Sequence[str] | None = None
) -> Endpoint:
    """Changes where an endpoint is or what it hears; None leaves as it is. The same again changes nothing."""
    require(actor, "webhook.update", endpoint, sees="webhook.read")
    with within(endpoint.namespace_id), transaction.atomic():
        row = _locked(endpoint)
        changes: dict[str, Any] = {}
        if url is not None and url != row.url:
            changes["url"] = _checked_url(url)
        if event_types is not None and _checked_types(event_types) != row.event_types:
            changes["event_types"] = _checked_types(event_types)
        if not changes:
            return row
        with change(actor=actor, action="webhook.update", namespace_id=row.namespace_id) as act:
            act.note(previous_url=_public(row.url), previous_event_types=row.event_types)
            for name, value in changes.items():
                setattr(row, name, value)
            row.save(update_fields=list(changes))
            _describe(act, row)
    return row


def endpoint_delete(*, actor: Principal, endpoint: Endpoint) -> None:
    """Removes an endpoint with everything that is owed to it."""
    require(actor, "webhook.delete", endpoint, sees="webhook.read")
    with within(endpoint.namespace_id), transaction.atomic():
        row = _locked(endpoint)
        with change(actor=actor, action="webhook.delete", namespace_id=row.namespace_id) as act:
            _describe(act, row)
            row.delete()


def endpoint_enable(*, actor: Principal, endpoint: Endpoint) -> Endpoint:
    """Lets a disabled endpoint hear of events again, from now on. An enabled one stays as it is."""
    require(actor, "webhook.update", endpoint, sees="webhook.read")
    with within(endpoint.namespace_id), transaction.atomic():
        row = _locked(endpoint)
        if row.disabled_at is None:
            return row
        with change(actor=actor, action="webhook.enable", namespace_id=row.namespace_id) as act:
            act.note(previous_reason=row.disabled_reason)
            row.disabled_at, row.disabled_reason, row.failing_since, row.not_before = None, "", None, None
            row.save(update_fields=["disabled_at", "disabled_reason", "failing_since", "not_before"])
            _describe(act, row)
    return row


def endpoint_disable(*, endpoint: Endpoint, reason: str) -> None:
    """The server gives an endpoint up: nothing more is sent, what was owed has failed.

    Needs the scope, a transaction and the row's lock.
    """
    with change(actor=system("webhooks"), action="webhook.disable", namespace_id=endpoint.namespace_id) as act:
        endpoint.disabled_at, endpoint.disabled_reason = timezone.now(), reason
        endpoint.save(update_fields=["disabled_at", "disabled_reason"])
        owed = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.WAITING)
        act.note(reason=reason, given_up=owed.update(state=DeliveryState.FAILED, next_attempt_at=None))
        _describe(act, endpoint)


def secret_of(endpoint: Endpoint) -> str:
    """For signing only. Raises DecryptionFailed where the key is gone."""
    return decrypt(endpoint.secret)


def _still_there(endpoint_id: Any) -> Endpoint:
    found = Endpoint.objects.select_related("namespace", "created_by").filter(id=endpoint_id).first()
    if found is None:
        raise Gone("The webhook that this Idempotency-Key made was deleted; choose a new key.", code="webhook_deleted")
    return found


def _locked(endpoint: Endpoint) -> Endpoint:
    rows = Endpoint.objects.select_for_update(of=("self",)).select_related("namespace", "created_by")
    found = rows.filter(id=endpoint.id).first()
    if found is None:
        raise Gone("The webhook was deleted meanwhile.", code="webhook_deleted")
    return found


def _checked_url(url: str) -> str:
    if len(url) > MAX_URL:
        raise BadInput(f"url must have at most {MAX_URL} characters.", code="bad_webhook_url", field="url")
    try:
        check_url(url)
    except SafeHttpError as error:
        raise BadInput(f"url: {error.message}.", code="bad_webhook_url", field="url", reason=error.code) from error
    return url


def _checked_types(names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in known_types]
    if unknown:
        raise BadInput(
            f"There is no event type {unknown[0][:64]!r}; choose from: {', '.join(known_types)}.",
            code="unknown_event_type",
            field="event_types",
        )
    return sorted(set(names))


def _describe(act: Act, endpoint: Endpoint) -> None:
    act.target("webhook", endpoint.id, endpoint.external_id)
    act.note(url=_public(endpoint.url), event_types=endpoint.event_types)


def _public(url: str) -> str:
    """A query may carry somebody's key: audit rows, which stay for ever, keep the address without it."""
    return url.partition("?")[0][:500]
