"""One Job model for everything that takes a worker: its specification, its life, its log and its result."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django_scopes import ScopedManager

from apps.core.ids import external, new_id
from apps.orgs.models import Namespace, Project

PREFIX = "job"


class JobState(models.TextChoices):
    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    CANCELLING = "cancelling", "cancelling"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


ENDED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

# The state machine: what may follow what. QUEUED again means that a worker was lost and another takes over.
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.CANCELLING, JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.CANCELLING: frozenset({JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED}),
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


class Job(models.Model):
    """A unit of work with the commits it reads pinned when it was created."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="jobs")
    project = models.ForeignKey(Project, models.PROTECT, related_name="jobs")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=64)
    spec = models.JSONField()
    # {"role in the job": {"repository_id", "name", "kind", "revision", "commit"}}
    pins = models.JSONField(default=dict)
    flavour = models.CharField(max_length=32)
    queue = models.CharField(max_length=32)
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.QUEUED)
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True)
    progress_note = models.CharField(max_length=200, blank=True)
    attempt = models.IntegerField(default=0)
    max_attempts = models.IntegerField(default=5)
    # Who runs it, and until when the others believe that; renewed by heartbeat.
    lease_holder = models.CharField(max_length=128, blank=True)
    lease_until = models.DateTimeField(null=True)
    result = models.JSONField(null=True)
    error = models.JSONField(null=True)
    cost_micro_units = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    # When workers were last told of it.
    announced_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[Job]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["namespace", "-id"], name="job_by_namespace"),
            models.Index(
                fields=["lease_until"],
                name="job_alive",
                condition=models.Q(state__in=["queued", "running", "cancelling"]),
            ),
        ]

    @property
    def external_id(self) -> str:
        return external(PREFIX, self.id)

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


class JobLogLine(models.Model):
    """A line that a job said, numbered within its attempt."""

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, models.CASCADE, related_name="log_lines")
    namespace_id = models.UUIDField()
    attempt = models.IntegerField()
    at = models.DateTimeField(auto_now_add=True)
    level = models.CharField(max_length=8, default="info")
    text = models.CharField(max_length=2000)

    objects: ClassVar[models.Manager[JobLogLine]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["job", "id"], name="log_by_job")]


class JobArtefact(models.Model):
    """A file that a job left in S3 at `jobs/{job id}/…`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="artefacts")
    namespace_id = models.UUIDField()
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[JobArtefact]] = ScopedManager(namespace="namespace_id")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["job", "name"], name="artefact_name_once")
        ]
