"""Telling workers about a job: a Celery message with the job's id on its flavour's queue. The row is the truth, the message a hint."""

from __future__ import annotations

import structlog
from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from apps.jobs.models import Job

log = structlog.get_logger(__name__)
RUN_TASK = "jobs.run"
# Celery carries it to the task, whose base class opens this tenant's scope (saas.celery).
NAMESPACE_HEADER = "atrium_namespace"


def send(job: Job) -> None:
    """Sends the message; a broker that is down costs nothing, because the sweep sends again."""
    try:
        current_app.send_task(
            RUN_TASK, args=[str(job.id)], queue=job.queue, headers={NAMESPACE_HEADER: str(job.namespace_id)}
        )
    except (OperationalError, RedisError, OSError) as error:
        log.warning("job.send_failed", job=job.external_id, error=str(error))


def send_after_commit(job: Job) -> None:
    transaction.on_commit(lambda: send(job))
