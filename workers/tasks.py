"""`jobs.run`: claim a job, run it in a child process, keep the lease, and see to it that the job ends in one way.

The parent never imports torch. The child may spend minutes in one C call; the heartbeat, cancelling and the cleaning up are here.
"""

from __future__ import annotations

import os
import socket
import uuid

import structlog
from celery import shared_task

from apps.jobs import leases
from workers.supervise import supervise

log = structlog.get_logger(__name__)


@shared_task(name="jobs.run")
def run_job(job_id: str) -> None:
    holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"
    lease = leases.claim(uuid.UUID(job_id), holder)
    if lease is None:
        log.info("job.not_claimed", job_id=job_id)
        return
    log.info("job.claimed", job_id=job_id, attempt=lease.attempt)
    supervise(lease)
