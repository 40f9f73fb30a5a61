"""From an event to deliveries: one row for each endpoint that wants to hear of it, however often the event arrives."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.utils import timezone

from apps.core.models import OutboxEvent
from apps.orgs.scoping import within
from apps.webhooks.event_types import event_types
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.payloads import body_of
from apps.webhooks.tasks import announce


def consume(event: OutboxEvent) -> None:
    """Owes the event to every endpoint that matches; the first attempts follow the COMMIT."""
    if event.type not in event_types:
        return
    with within(event.namespace_id):
        candidates = Endpoint.objects.filter(namespace_id=event.namespace_id, disabled_at__isnull=True)
        wanted = [endpoint for endpoint in candidates if not endpoint.event_types or event.type in endpoint.event_types]
        if not wanted:
            return
        now = timezone.now()
        body = body_of(event)
        Delivery.objects.bulk_create(
            [
                Delivery(
                    endpoint=endpoint,
                    namespace_id=event.namespace_id,
                    event_id=event.id,
                    event_type=event.type,
                    body=body,
                    next_attempt_at=now,
                    announced_at=now,
                )
                for endpoint in wanted
            ],
            ignore_conflicts=True,
        )
        for delivery in Delivery.objects.filter(event_id=event.id, attempts_made=0).only("id", "namespace_id"):
            transaction.on_commit(partial(announce, delivery.id, delivery.namespace_id))
