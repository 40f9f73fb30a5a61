"""Jobs of a namespace, and one job: how far it is, what it said, what it cost, and the pictures that it scored."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.accounts.middleware import principal
from apps.core.pagination import paginate, parse_limit
from apps.dashboard.pages import page
from apps.jobs.models import Job, JobArtefact, JobLogLine
from apps.jobs.selectors import job_find, job_list, log_lines
from apps.jobs.services import job_cancel
from apps.orgs.policies import can
from apps.orgs.scoping import namespace_named, within

ZERO_SHOT = "clip.zero_shot"
LOG_LINES = 500
PICTURES = 200
SPEC_CHARACTERS = 20_000


@dataclass(frozen=True)
class Picture:
    """A scored picture; `address` is empty where the picture is in no repository."""

    path: str
    address: str
    scores: list[dict[str, Any]]
    reason: str


@page(GET="job.read")
def jobs(request: HttpRequest, ns: str) -> HttpResponse:
    tenant = namespace_named(ns)
    with within(tenant.id):
        rows = job_list(principal(request), tenant).defer("spec", "result", "pins")
        found = paginate(rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit")))
    return render(request, "dashboard/jobs.html", {"namespace": tenant, "page": found})


@page(GET="job.read")
def job(request: HttpRequest, ns: str, job_id: str) -> HttpResponse:
    actor = principal(request)
    found = job_find(actor, ns, job_id)
    with within(found.namespace_id):
        lines: list[JobLogLine] = list(log_lines(found).reverse()[: LOG_LINES + 1])
        artefacts = list(JobArtefact.objects.filter(job=found).order_by("name"))
    refreshes = not found.has_ended and request.GET.get("refresh") != "off"
    spec = json.dumps(found.spec, indent=2, ensure_ascii=False)
    return render(
        request,
        "dashboard/job.html",
        {
            "job": found,
            "artefacts": artefacts,
            "lines": lines[:LOG_LINES][::-1],
            "earlier_lines": len(lines) > LOG_LINES,
            "refreshes": refreshes,
            "may_cancel": not found.has_ended and can(actor, "job.cancel", found),
            "spec": spec[:SPEC_CHARACTERS],
            "spec_is_cut": len(spec) > SPEC_CHARACTERS,
            "pictures": pictures_of(found),
            "summary": (found.result or {}).get("summary"),
        },
    )


@page(POST="job.cancel")
def cancel(request: HttpRequest, ns: str, job_id: str) -> HttpResponse:
    actor = principal(request)
    found = job_cancel(actor=actor, job=job_find(actor, ns, job_id))
    messages.success(request, _("The job is cancelled.") if found.has_ended else _("The job was asked to stop."))
    return redirect("page-job", ns, job_id)


def pictures_of(job: Job) -> list[Picture]:
    """The pictures of a zero-shot job's preview, shown from the commit that the job read."""
    if job.kind != ZERO_SHOT or not job.result:
        return []
    pin = job.pins.get("images")
    base = f"/datasets/{pin['name']}/resolve/{pin['commit']}/" if pin else ""
    return [
        Picture(
            path=image["path"],
            address=base + quote(image["path"]) if base else "",
            scores=image.get("scores", []),
            reason=image.get("reason", "") if image["status"] != "ok" else "",
        )
        for image in job.result.get("preview", [])[:PICTURES]
    ]
