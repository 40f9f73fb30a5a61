"""Scheduled upkeep of repositories in the control worker."""

from __future__ import annotations

from celery import shared_task

from apps.repositories.pushes import reconcile


@shared_task(name="repositories.reconcile_refs")
def reconcile_refs() -> None:
    """Finishes or voids ref updates that a crash left pending."""
    reconcile()
