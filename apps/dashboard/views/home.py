"""The start page, and the page of a namespace."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.accounts.middleware import principal
from apps.core.pagination import paginate, parse_limit
from apps.dashboard.pages import OPEN, page
from apps.dashboard.selectors import RECENT, recent_jobs
from apps.orgs.models import Role
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource, allowed, namespace_named
from apps.orgs.selectors import organisations_of, personal_namespace
from apps.repositories.selectors import repository_list


@page(GET=OPEN)
def home(request: HttpRequest) -> HttpResponse:
    """One's own repositories, organisations and recent jobs; a welcome for the anonymous."""
    actor = principal(request)
    if not actor.is_authenticated:
        return render(request, "dashboard/welcome.html")
    own = personal_namespace(actor)
    return render(
        request,
        "dashboard/home.html",
        {
            "namespace": own,
            "page": paginate(repository_list(actor, author=own.name), cursor=None, limit=RECENT),
            "memberships": organisations_of(actor),
            "jobs": recent_jobs(actor),
            "keepers": {Role.OWNER, Role.MAINTAINER},
        },
    )


@page(GET="namespace.read")
def namespace(request: HttpRequest, ns: str) -> HttpResponse:
    actor = principal(request)
    tenant = namespace_named(ns)
    require(actor, "namespace.read", NamespaceResource(tenant))
    rows = repository_list(actor, author=tenant.name)
    return render(
        request,
        "dashboard/namespace.html",
        {
            "namespace": tenant,
            "page": paginate(rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"))),
            "may_see_jobs": allowed(actor, "job.read", tenant),
            "may_see_webhooks": allowed(actor, "webhook.read", tenant),
        },
    )
