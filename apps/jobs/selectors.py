"""Jobs, their logs and artefacts, for those who may see them."""

from __future__ import annotations

from django.db.models import QuerySet

from apps.core.errors import NotFound
from apps.core.ids import internal
from apps.core.principal import Principal
from apps.jobs.exceptions import JobNotFound
from apps.jobs.models import PREFIX, Job, JobArtefact, JobLogLine
from apps.orgs.models import Namespace
from apps.orgs.policies import can, require
from apps.orgs.scoping import NamespaceResource, namespace_named, within


def job_list(actor: Principal, namespace: Namespace) -> QuerySet[Job]:
    """A namespace's jobs, for its members. Needs the namespace's scope. Who may not see it gets NotFound."""
    require(actor, "job.read", NamespaceResource(namespace), sees="job.read")
    rows = Job.objects.filter(namespace=namespace).select_related("created_by", "namespace", "project")
    return rows.defer("spec", "result")


def job_find(actor: Principal, namespace_name: str, external_id: str) -> Job:
    """One job by the id that the API shows. Raises JobNotFound, also for what the actor may not see."""
    namespace = namespace_named(namespace_name)
    job_id = internal(PREFIX, external_id)
    with within(namespace.id):
        rows = Job.objects.select_related("created_by", "namespace", "project")
        job = rows.filter(id=job_id).first() if job_id else None
    if job is None or not can(actor, "job.read", job):
        raise JobNotFound()
    return job


def log_lines(job: Job, after: int | None = None) -> QuerySet[JobLogLine]:
    """Lines in the order in which they were said, after a line's number. Needs the namespace's scope."""
    lines = JobLogLine.objects.filter(job=job).order_by("id")
    return lines.filter(id__gt=after) if after is not None else lines


def artefact_find(job: Job, name: str) -> JobArtefact:
    """Raises NotFound. Needs the namespace's scope."""
    found = JobArtefact.objects.filter(job=job, name=name).first()
    if found is None:
        raise NotFound(f"The job has no artefact named {name[:100]!r}.", code="artefact_not_found")
    return found
