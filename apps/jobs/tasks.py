"""Scheduled upkeep of jobs in the control worker."""

from __future__ import annotations

from celery import shared_task

from apps.jobs import leases


@shared_task(name="jobs.sweep")
def sweep() -> None:
    """Takes back leases that ran out and sends queued jobs again whose message may be lost."""
    leases.take_back_expired()
