"""Celery's part of webhooks: a message says that a delivery is due; the sweep repeats it where a message was lost."""

from __future__ import annotations

import uuid
from datetime import timedelta

import structlog
from celery import shared_task
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.webhooks import deliver as delivering
from apps.webhooks.models import Delivery, DeliveryState

log = structlog.get_logger(__name__)
SWEEP_LIMIT = 500
# A message that nobody took up for so long is taken for lost. Saying it twice does no harm: a delivery is claimed once.
ANNOUNCE_AGAIN = timedelta(seconds=30)


@shared_task(name="webhooks.deliver")
def deliver(delivery_id: str) -> None:
    delivering.attempt(uuid.UUID(delivery_id))


@shared_task(name="webhooks.sweep_due")
def sweep_due() -> None:
    """Tells workers of every delivery that is due and that they have not been told of lately."""
    now = timezone.now()
    with scopes_disabled(), transaction.atomic():
        due = (
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(state=DeliveryState.WAITING, next_attempt_at__lte=now)
            .filter(Q(announced_at__isnull=True) | Q(announced_at__lt=now - ANNOUNCE_AGAIN))
            .order_by("next_attempt_at")
        )
        found = list(due.values_list("id", "namespace_id")[:SWEEP_LIMIT])
        Delivery.objects.filter(id__in=[delivery_id for delivery_id, _ in found]).update(announced_at=now)
    for delivery_id, namespace_id in found:
        announce(delivery_id, namespace_id)


def announce(delivery_id: uuid.UUID, namespace_id: uuid.UUID) -> None:
    """Sends the message. A broker that is down costs nothing: the sweep finds the row."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    try:
        deliver.apply_async(args=(str(delivery_id),), headers={"atrium_namespace": str(namespace_id)})
    except (OperationalError, RedisError, OSError) as error:
        log.warning("webhook.announce_failed", delivery_id=str(delivery_id), error=str(error))
