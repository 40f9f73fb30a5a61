"""Celery tasks of the core: deliver outbox events, and sweep up those whose message was lost."""

from __future__ import annotations

import uuid

from celery import shared_task

from apps.core import events

SWEEP_LIMIT = 500


@shared_task(name="core.dispatch_event", queue="control")
def dispatch_event(event_id: str) -> None:
    events.dispatch(uuid.UUID(event_id))


@shared_task(name="core.sweep_outbox", queue="control")
def sweep_outbox() -> None:
    for event_id in events.waiting(limit=SWEEP_LIMIT):
        events.dispatch(event_id)
