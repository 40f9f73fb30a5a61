"""Jobs are created and cancelled here by people; what workers report goes through `apps.jobs.leases`."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone
from pydantic import BaseModel, ValidationError

from apps.accounts.services import job_tokens_revoke
from apps.billing.models import Flavour
from apps.billing.selectors import flavour_named
from apps.core import idempotency
from apps.core.changes import Act, change
from apps.core.errors import BadInput
from apps.core.ids import new_id
from apps.core.principal import Principal
from apps.core.rest import from_pydantic
from apps.jobs import files
from apps.jobs.dispatch import send_after_commit
from apps.jobs.exceptions import JobHasEnded
from apps.jobs.kinds import Input, JobKind, kinds
from apps.jobs.models import Job, JobState
from apps.orgs.models import Namespace
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource, within
from apps.orgs.selectors import default_project
from apps.repositories.models import Repository
from apps.repositories.selectors import repository_find, revision_commit

log = structlog.get_logger(__name__)
OPERATION = "job.create"
# Ten thousand labels of a hundred characters fit; lists and workers read many specifications at a time.
MAX_SPEC_BYTES = 1_500_000


def job_create(
    *,
    actor: Principal,
    namespace: Namespace,
    kind: str,
    spec: dict[str, Any],
    flavour: str | None = None,
    idempotency_key: str | None = None,
) -> tuple[Job, bool]:
    """A job and whether it is new: a repeated idempotency key gets the first one.

    Every repository that the specification names is looked up as the actor sees it and pinned to a commit. Raises BadInput for a
    specification that does not validate, NotFound for a repository or revision that is not there, Forbidden, Conflict.
    """
    require(actor, "job.create", NamespaceResource(namespace), sees="namespace.read")
    key = idempotency.checked_key(idempotency_key)
    digest = idempotency.body_digest({"kind": kind, "spec": spec, "flavour": flavour})
    if key:
        earlier = idempotency.earlier(namespace_id=namespace.id, operation=OPERATION, key=key, digest=digest)
        if earlier is not None:
            with within(namespace.id):
                return Job.objects.get(id=earlier), False
    job_kind, parsed, uploads = _validated(kind, spec)
    hardware = flavour_named(flavour or job_kind.flavour)
    pins = {item.role: _pin(actor, item) for item in job_kind.inputs(parsed)}
    job = Job(id=new_id(), namespace=namespace, project=default_project(namespace.id), created_by_id=actor.user_id)
    job.kind, job.pins, job.spec = job_kind.name, pins, parsed.model_dump(mode="json")
    job.flavour, job.queue = hardware.name, hardware.queue
    for number, upload in enumerate(uploads):
        files.write(job.id, f"inputs/{number}", upload.content)
    with within(namespace.id), change(actor=actor, action="job.create", namespace_id=namespace.id) as act:
        job.save(force_insert=True)
        if key:
            idempotency.remember(
                namespace_id=namespace.id, operation=OPERATION, key=key, digest=digest, target_id=job.id
            )
        describe(act, job)
        send_after_commit(job)
    return job, True


def _validated(kind: str, spec: dict[str, Any]) -> tuple[JobKind, BaseModel, list[Any]]:
    job_kind = kinds.get(kind)
    if job_kind is None:
        known = ", ".join(kinds)
        raise BadInput(
            f"There is no job kind {kind[:64]!r}; choose one of: {known}.", code="unknown_job_kind", field="kind"
        )
    try:
        parsed, uploads = job_kind.inline_files(job_kind.spec.model_validate(spec))
        if len(parsed.model_dump_json()) > MAX_SPEC_BYTES:
            raise ValueError(f"spec: at most {MAX_SPEC_BYTES} bytes besides the files")
    except ValidationError as error:
        raise from_pydantic(error, code="bad_job_spec") from error
    except ValueError as error:
        raise BadInput(str(error), code="bad_job_spec") from error
    return job_kind, parsed, uploads


def _pin(actor: Principal, item: Input) -> dict[str, str]:
    """The repository as the actor sees it, with the commit that the revision names now."""
    namespace_name, _, name = item.ref.repo.partition("/")
    repository: Repository = repository_find(actor=actor, kind=item.kind, namespace_name=namespace_name, name=name)
    if item.writes:
        require(actor, "repository.write", repository, sees="repository.read")
    commit = revision_commit(repository, item.ref.revision)
    return {
        "repository_id": str(repository.id),
        "name": repository.full_name,
        "kind": repository.kind,
        "revision": item.ref.revision,
        "commit": commit,
        "access": "write" if item.writes else "read",
    }


def job_cancel(*, actor: Principal, job: Job) -> Job:
    """Asks a job to stop: a queued one ends at once, a running one when its worker hears of it. Cancelling twice changes nothing."""
    require(actor, "job.cancel", job, sees="job.read")
    with within(job.namespace_id), transaction.atomic():
        locked = Job.objects.select_for_update().get(id=job.id)
        if locked.state in {JobState.CANCELLING, JobState.CANCELLED}:
            return locked
        if locked.has_ended:
            raise JobHasEnded(f"The job has {locked.state} already.")
        with change(actor=actor, action="job.cancel", namespace_id=job.namespace_id) as act:
            at_once = locked.state == JobState.QUEUED
            locked.state = JobState.CANCELLED if at_once else JobState.CANCELLING
            locked.ended_at = timezone.now() if at_once else None
            locked.save(update_fields=["state", "ended_at"])
            describe(act, locked)
        if at_once:
            job_tokens_revoke(namespace_id=locked.namespace_id, job_id=locked.id)
            announce_end(locked, actor)
    return locked


def announce_end(job: Job, actor: Principal) -> None:
    """The `job.finished` event that webhooks wait for, inside the transaction that ended the job."""
    with change(actor=actor, action="job.finished", namespace_id=job.namespace_id) as act:
        describe(act, job)


def describe(act: Act, job: Job) -> None:
    """The facts of a job for its audit row and its event. Results stay behind the API: an event is small."""
    act.target("job", job.id, job.external_id)
    act.note(kind=job.kind, state=job.state, flavour=job.flavour)
    summary = (job.result or {}).get("summary")
    act.emit(
        job={
            "id": job.external_id,
            "kind": job.kind,
            "state": job.state,
            "namespace": job.namespace.name,
            "flavour": job.flavour,
            "cost_micro_units": job.cost_micro_units,
            "pins": job.pins,
            "summary": summary,
            "error": job.error,
            "url": f"/jobs/{job.namespace.name}/{job.external_id}",
        }
    )


def flavour_of(job: Job) -> Flavour:
    return Flavour.objects.get(name=job.flavour)
