"""The Celery application of model workers: Atrium's, with the one task that runs jobs."""

from __future__ import annotations

from saas.celery import app
from workers import tasks

__all__ = ["app", "tasks"]
