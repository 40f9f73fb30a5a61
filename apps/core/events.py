"""The registry of audit actions and of those who listen; delivery of outbox events to them, at least once.

An action nobody registered cannot be written. A consumer is called with an `OutboxEvent` in the control worker, outside any
transaction of the change; it must be idempotent by the event's id.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.utils import timezone

from apps.core.models import OutboxEvent
from apps.core.registries import Registry

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Action:
    """An audit action `scope.verb` and the sentence that explains it to an auditor."""

    name: str
    description: str


actions: Registry[Action] = Registry("audit action")
consumers: Registry[Callable[[OutboxEvent], None]] = Registry("event consumer")


def register_actions(**descriptions: str) -> None:
    """`register_actions(repository_create="…")` registers `repository.create`; the first underscore is the dot."""
    for name, description in descriptions.items():
        dotted = name.replace("_", ".", 1)
        actions.register(dotted, Action(dotted, description))


def announce(event_id: uuid.UUID) -> None:
    """Tells the control workers about an outbox event. A broker that is down costs nothing: the sweep finds the row."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from apps.core.tasks import dispatch_event

    try:
        dispatch_event.delay(str(event_id))
    except (OperationalError, RedisError, OSError) as error:
        log.warning("outbox.announce_failed", event_id=str(event_id), error=str(error))


def dispatch(event_id: uuid.UUID) -> bool:
    """Runs every consumer, then marks the event. False when another worker has it, or it is done already."""
    with transaction.atomic():
        event = (
            OutboxEvent.objects.select_for_update(skip_locked=True)
            .filter(id=event_id, dispatched_at__isnull=True)
            .first()
        )
        if event is None:
            return False
        for _, consume in consumers.items():
            consume(event)
        event.dispatched_at = timezone.now()
        event.save(update_fields=["dispatched_at"])
    return True


def waiting(*, limit: int) -> list[uuid.UUID]:
    """Ids of events that nobody has dispatched, oldest first."""
    rows = OutboxEvent.objects.filter(dispatched_at__isnull=True).order_by("id").values_list("id", flat=True)
    return list(rows[:limit])
