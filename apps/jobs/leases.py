"""What a worker may do to a job while it holds the lease; every write is fenced by holder and attempt, so a late worker changes nothing.

A lease that is not renewed is taken back: the job is queued again, and whoever takes it up finishes it once.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.accounts.services import job_token_issue, job_tokens_revoke
from apps.billing.services import usage_record
from apps.core.principal import Narrowing, system
from apps.jobs.dispatch import send, send_after_commit
from apps.jobs.exceptions import LeaseLost
from apps.jobs.models import TRANSITIONS, Job, JobArtefact, JobLogLine, JobState
from apps.jobs.services import announce_end, flavour_of

# A message may be lost with the broker; sent more often, messages would pile up before a busy worker.
ANNOUNCE_AGAIN = timedelta(minutes=1)
TOKEN_LIFETIME = timedelta(days=1)
ALIVE = (JobState.RUNNING, JobState.CANCELLING)
MAX_LINE = 2000
MAX_LINES = 10_000


@dataclass(frozen=True)
class Lease:
    """A worker's claim on one attempt of a job."""

    job_id: uuid.UUID
    namespace_id: uuid.UUID
    holder: str
    attempt: int


def lease_length() -> timedelta:
    return timedelta(seconds=settings.ATRIUM_JOB_LEASE_SECONDS)


def claim(job_id: uuid.UUID, holder: str) -> Lease | None:
    """Takes a queued job, or None when there is nothing to do: taken, ended, or gone. Needs the tenant's scope."""
    with transaction.atomic():
        job = (
            Job.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(id=job_id, state=JobState.QUEUED)
            .first()
        )
        if job is None:
            return None
        now = timezone.now()
        _move(job, JobState.RUNNING)
        job.attempt += 1
        job.started_at, job.lease_holder, job.lease_until = now, holder, now + lease_length()
        job.progress_done, job.progress_total, job.progress_note = 0, None, ""
        job.save()
    return Lease(job.id, job.namespace_id, holder, job.attempt)


def job_of(lease: Lease) -> Job:
    """The job as it is now. Raises LeaseLost."""
    job = Job.objects.select_related("namespace", "project").filter(**_fence(lease)).first()
    if job is None:
        raise LeaseLost(str(lease.job_id))
    return job


def renew(lease: Lease) -> bool:
    """Keeps the lease; True when the job was asked to stop. Raises LeaseLost."""
    job = job_of(lease)
    Job.objects.filter(**_fence(lease)).update(lease_until=timezone.now() + lease_length())
    return bool(job.state == JobState.CANCELLING)


def report_progress(lease: Lease, *, done: int, total: int | None, note: str) -> None:
    """Raises LeaseLost."""
    changed = Job.objects.filter(**_fence(lease)).update(
        progress_done=done, progress_total=total, progress_note=note[:200], lease_until=timezone.now() + lease_length()
    )
    if not changed:
        raise LeaseLost(str(lease.job_id))


def write_log(lease: Lease, text: str, *, level: str = "info") -> None:
    """Appends lines; a job's log holds at most 10,000 of them, of 2,000 characters each."""
    room = MAX_LINES - JobLogLine.objects.filter(job_id=lease.job_id).count()
    lines = [line[:MAX_LINE] for line in text.replace("\x00", "").splitlines() if line.strip()][: max(0, room)]
    JobLogLine.objects.bulk_create(
        JobLogLine(job_id=lease.job_id, namespace_id=lease.namespace_id, attempt=lease.attempt, level=level, text=line)
        for line in lines
    )


def record_artefact(lease: Lease, *, name: str, content_type: str, size: int, sha256: str) -> None:
    """Says that a file lies in S3; the same name again replaces it (a second attempt)."""
    job_of(lease)
    JobArtefact.objects.update_or_create(
        job_id=lease.job_id,
        name=name,
        defaults={"namespace_id": lease.namespace_id, "content_type": content_type, "size": size, "sha256": sha256},
    )


def issue_token(lease: Lease) -> str:
    """The text of a token for this attempt, limited to the job's repositories. Raises LeaseLost."""
    job = job_of(lease)
    if job.created_by is None:
        raise LeaseLost("the person who started the job is gone")
    pins = job.pins.values()
    narrowing = Narrowing(
        read=frozenset(uuid.UUID(pin["repository_id"]) for pin in pins if pin["access"] == "read"),
        write=frozenset(uuid.UUID(pin["repository_id"]) for pin in pins if pin["access"] == "write"),
    )
    return job_token_issue(
        user=job.created_by, namespace_id=job.namespace_id, job_id=job.id, narrowing=narrowing, lifetime=TOKEN_LIFETIME
    )


def succeed(lease: Lease, result: dict[str, Any]) -> None:
    """Ends the job with its result. Raises LeaseLost."""
    with _ending(lease) as job:
        _move(job, JobState.SUCCEEDED)
        job.result = result


def fail(lease: Lease, *, code: str, message: str) -> None:
    """Ends the job with a reason that its owner can act on. Raises LeaseLost."""
    with _ending(lease) as job:
        _move(job, JobState.FAILED)
        job.error = {"code": code, "message": message[:2000]}


def stop(lease: Lease) -> None:
    """Ends a job that was asked to stop. Raises LeaseLost."""
    with _ending(lease) as job:
        _move(job, JobState.CANCELLED)


def give_back(lease: Lease, *, reason: str) -> None:
    """Queues the job again, or fails it when it has had its attempts. A lease that is lost already changes nothing."""
    with transaction.atomic():
        job = Job.objects.select_for_update(of=("self",)).filter(**_fence(lease)).first()
        if job is not None:
            _requeue(job, reason=reason)


def take_back_expired(*, limit: int = 100) -> int:
    """Takes back every lease that ran out, and sends queued jobs whose message may be lost. Returns how many jobs moved."""
    moved = 0
    now = timezone.now()
    with scopes_disabled():
        expired = Job.objects.filter(state__in=ALIVE, lease_until__lt=now).values_list("id", flat=True)[:limit]
        for job_id in list(expired):
            with transaction.atomic():
                job = (
                    Job.objects.select_for_update(skip_locked=True, of=("self",))
                    .filter(id=job_id, state__in=ALIVE, lease_until__lt=now)
                    .first()
                )
                if job is not None:
                    _requeue(job, reason="worker_lost")
                    moved += 1
        waiting = Job.objects.filter(state=JobState.QUEUED, announced_at__lt=now - ANNOUNCE_AGAIN)
        for job in list(waiting.only("id", "namespace_id", "queue").order_by("announced_at")[:limit]):
            Job.objects.filter(id=job.id).update(announced_at=now)
            send(job)
    return moved


def _requeue(job: Job, *, reason: str) -> None:
    lease = Lease(job.id, job.namespace_id, job.lease_holder, job.attempt)
    if job.state == JobState.CANCELLING:
        _finish(job, JobState.CANCELLED)
        return
    if job.attempt >= job.max_attempts:
        job.error = {
            "code": reason,
            "message": f"The job's worker was lost {job.attempt} times; see the log, and try again.",
        }
        _finish(job, JobState.FAILED)
        return
    write_log(lease, f"attempt {job.attempt} was lost ({reason}); the job is queued again", level="warning")
    _move(job, JobState.QUEUED)
    job.lease_holder, job.lease_until, job.announced_at = "", None, timezone.now()
    job.save()
    job_tokens_revoke(namespace_id=job.namespace_id, job_id=job.id)
    send_after_commit(job)


@contextmanager
def _ending(lease: Lease) -> Iterator[Job]:
    """Locks the job under the lease, lets the caller set its end, and writes usage, audit, event and row in one transaction."""
    with transaction.atomic():
        job = Job.objects.select_for_update(of=("self",)).filter(**_fence(lease)).first()
        if job is None:
            raise LeaseLost(str(lease.job_id))
        yield job
        _finish(job, JobState(job.state))


def _finish(job: Job, state: JobState) -> None:
    if job.state != state:
        _move(job, state)
    now = timezone.now()
    started = job.started_at or now
    usage = usage_record(
        namespace_id=job.namespace_id,
        project_id=job.project_id,
        key=f"job:{job.id}",
        sku=flavour_of(job).sku,
        started_at=started,
        ended_at=now,
        subject_type="job",
        subject_id=job.id,
    )
    job.cost_micro_units = usage.amount_micro_units
    job.ended_at, job.lease_holder, job.lease_until = now, "", None
    job.save()
    job_tokens_revoke(namespace_id=job.namespace_id, job_id=job.id)
    announce_end(job, system("worker"))


def _move(job: Job, to: JobState) -> None:
    if to not in TRANSITIONS[JobState(job.state)]:
        raise LeaseLost(f"job {job.external_id} is {job.state}; it cannot become {to}")
    job.state = to


def _fence(lease: Lease) -> dict[str, Any]:
    return {"id": lease.job_id, "lease_holder": lease.holder, "attempt": lease.attempt, "state__in": ALIVE}
