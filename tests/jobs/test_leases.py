"""A job is finished once, by whoever holds its lease, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.accounts.models import AccessToken
from apps.billing.models import UsageEvent
from apps.core.models import AuditEvent, OutboxEvent
from apps.jobs import leases
from apps.jobs.exceptions import LeaseLost
from apps.jobs.models import TRANSITIONS, Job, JobLogLine, JobState

pytestmark = pytest.mark.django_db
MakeJob = Callable[..., Job]


def expire(job: Job) -> None:
    Job.objects.filter(id=job.id).update(lease_until=timezone.now() - timedelta(seconds=1))


def finished_events(job: Job) -> int:
    return sum(
        1 for event in OutboxEvent.objects.filter(type="job.finished") if event.payload["job"]["id"] == job.external_id
    )


def test_a_claimed_job_is_not_claimed_again(make_job: MakeJob) -> None:
    job = make_job()
    assert leases.claim(job.id, "one") is not None
    assert leases.claim(job.id, "two") is None


def test_success_writes_result_cost_usage_and_one_event(make_job: MakeJob) -> None:
    job = make_job()
    lease = leases.claim(job.id, "one")
    assert lease is not None
    Job.objects.filter(id=job.id).update(started_at=timezone.now() - timedelta(seconds=90))
    leases.succeed(lease, {"summary": {"images": 3}})
    job.refresh_from_db()
    usage = UsageEvent.objects.get(subject_id=job.id)
    assert job.state == JobState.SUCCEEDED
    assert job.cost_micro_units == usage.amount_micro_units
    assert 900 <= usage.amount_micro_units <= 950  # 90 s at 10 micro-units a second
    assert usage.project_id == job.project_id
    assert finished_events(job) == 1


def test_a_late_worker_changes_nothing(make_job: MakeJob) -> None:
    job = make_job()
    late = leases.claim(job.id, "late")
    assert late is not None
    expire(job)
    assert leases.take_back_expired() == 1
    fresh = leases.claim(job.id, "fresh")
    assert fresh is not None and fresh.attempt == 2
    for act in (
        lambda: leases.succeed(late, {"summary": "late"}),
        lambda: leases.fail(late, code="late", message="late"),
        lambda: leases.report_progress(late, done=1, total=2, note=""),
        lambda: leases.renew(late),
        lambda: leases.issue_token(late),
        lambda: leases.record_artefact(late, name="x", content_type="x/y", size=1, sha256="0" * 64),
    ):
        with pytest.raises(LeaseLost):
            act()
    leases.give_back(late, reason="late")
    leases.succeed(fresh, {"summary": "fresh"})
    job.refresh_from_db()
    assert job.result == {"summary": "fresh"}
    assert UsageEvent.objects.filter(subject_id=job.id).count() == 1
    assert finished_events(job) == 1


def test_finishing_twice_is_finishing_once(make_job: MakeJob) -> None:
    job = make_job()
    lease = leases.claim(job.id, "one")
    assert lease is not None
    leases.succeed(lease, {})
    with pytest.raises(LeaseLost):
        leases.succeed(lease, {})
    assert UsageEvent.objects.filter(subject_id=job.id).count() == 1


def test_a_job_whose_workers_are_lost_too_often_fails_with_the_reason(make_job: MakeJob) -> None:
    job = make_job(max_attempts=2)
    for _ in range(2):
        assert leases.claim(job.id, "one") is not None
        expire(job)
        leases.take_back_expired()
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert job.error is not None and job.error["code"] == "worker_lost"
    assert finished_events(job) == 1


def test_a_living_lease_is_not_taken_back(make_job: MakeJob) -> None:
    job = make_job()
    lease = leases.claim(job.id, "one")
    assert lease is not None
    expire(job)
    leases.renew(lease)
    assert leases.take_back_expired() == 0


def test_a_lost_job_that_was_asked_to_stop_is_cancelled_not_repeated(make_job: MakeJob) -> None:
    job = make_job()
    assert leases.claim(job.id, "one") is not None
    Job.objects.filter(id=job.id).update(state=JobState.CANCELLING)
    expire(job)
    leases.take_back_expired()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_the_job_token_ends_with_the_job(make_job: MakeJob) -> None:
    job = make_job()
    lease = leases.claim(job.id, "one")
    assert lease is not None
    leases.issue_token(lease)
    assert AccessToken.objects.filter(job_id=job.id, revoked_at__isnull=True).count() == 1
    leases.fail(lease, code="no", message="no")
    assert not AccessToken.objects.filter(job_id=job.id, revoked_at__isnull=True).exists()


def test_log_lines_are_bounded_and_split(make_job: MakeJob) -> None:
    job = make_job()
    lease = leases.claim(job.id, "one")
    assert lease is not None
    leases.write_log(lease, "a\n\nb\x00c\n" + "x" * 5000)
    assert [len(line.text) for line in JobLogLine.objects.filter(job=job).order_by("id")] == [1, 2, 2000]


def test_every_end_is_audited_once(make_job: MakeJob) -> None:
    job = make_job()
    lease = leases.claim(job.id, "one")
    assert lease is not None
    leases.succeed(lease, {})
    with scopes_disabled():
        assert AuditEvent.objects.filter(action="job.finished").count() == 1


def test_nothing_follows_an_end() -> None:
    ended = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    assert {state for state, following in TRANSITIONS.items() if not following} == ended
    assert set(TRANSITIONS) == set(JobState)
