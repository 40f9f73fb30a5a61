"""Usage is recorded here: once per idempotency key, with the price of its moment copied into the row."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django_scopes import scope

from apps.billing.models import Price, UsageEvent
from apps.core.errors import Conflict

_MILLISECOND = timedelta(milliseconds=1)


def price_at(sku: str, moment: datetime) -> Price:
    """The price in force. Raises LookupError for a sku that has none."""
    price = Price.objects.filter(sku=sku, valid_from__lte=moment).order_by("-valid_from").first()
    if price is None:
        raise LookupError(f"no price for {sku!r} at {moment.isoformat()}")
    return price


def amount_of(quantity_milli: int, price_micro_units: int) -> int:
    """Micro-units for a quantity in thousandths of the priced unit, rounded half up."""
    return (quantity_milli * price_micro_units + 500) // 1000


def usage_record(
    *,
    namespace_id: uuid.UUID,
    project_id: uuid.UUID,
    key: str,
    sku: str,
    started_at: datetime,
    ended_at: datetime,
    subject_type: str,
    subject_id: uuid.UUID,
) -> UsageEvent:
    """Records time used, half-open [started_at, ended_at), in a namespace and project. The same key again returns the first event.

    Raises Conflict when the key was used for something else. Call it inside the transaction that ends what was used.
    """
    price = price_at(sku, started_at)
    quantity_milli = max(0, (ended_at - started_at) // _MILLISECOND)
    with scope(namespace=namespace_id), transaction.atomic():
        event, created = UsageEvent.objects.get_or_create(
            namespace_id=namespace_id,
            idempotency_key=key,
            defaults={
                "project_id": project_id,
                "sku": sku,
                "unit": price.unit,
                "quantity_milli": quantity_milli,
                "price_micro_units": price.micro_units,
                "amount_micro_units": amount_of(quantity_milli, price.micro_units),
                "subject_type": subject_type,
                "subject_id": subject_id,
                "started_at": started_at,
                "ended_at": ended_at,
            },
        )
    if not created and (event.subject_id, event.sku) != (subject_id, sku):
        raise Conflict(f"Usage key {key!r} was used for something else.", code="usage_key_reused")
    return event
