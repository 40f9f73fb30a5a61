"""Celery tasks of the core: deliver outbox events, and sweep up those whose message was lost."""

from __future__ import annotations

import uuid

import structlog
from celery import shared_task

from apps.core import events

log = structlog.get_logger(__name__)
SWEEP_LIMIT = 500


@shared_task(name="core.dispatch_event")
def dispatch_event(event_id: str) -> None:
    events.dispatch(uuid.UUID(event_id))


@shared_task(name="core.sweep_outbox")
def sweep_outbox() -> None:
    """Delivers what waits. An event that a consumer fails on stays, and holds up no other."""
    for event_id in events.waiting(limit=SWEEP_LIMIT):
        try:
            events.dispatch(event_id)
        except Exception:
            log.exception("outbox.dispatch_failed", event_id=str(event_id))
