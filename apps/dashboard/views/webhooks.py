"""Receivers of a namespace's events, and what was delivered to them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.accounts.middleware import principal
from apps.core.errors import BadInput, Conflict
from apps.core.pagination import paginate, parse_limit
from apps.dashboard.forms import EndpointForm
from apps.dashboard.pages import page
from apps.dashboard.selectors import with_attempts
from apps.orgs.scoping import namespace_named, within
from apps.webhooks.selectors import deliveries_of, endpoint_find, endpoints_of
from apps.webhooks.services import endpoint_create, endpoint_delete, endpoint_enable


@page(GET="webhook.read", POST="webhook.create")
def webhooks(request: HttpRequest, ns: str) -> HttpResponse:
    """The list and the form; after POST, the new endpoint's secret, this once."""
    actor = principal(request)
    tenant = namespace_named(ns)
    form = EndpointForm(request.POST if request.method == "POST" else None)
    with within(tenant.id):
        rows = endpoints_of(actor, tenant)
        secret, refusal = None, None
        if request.method == "POST" and form.is_valid():
            try:
                secret = endpoint_create(actor=actor, namespace=tenant, **form.cleaned_data).secret
                form = EndpointForm()
            except (BadInput, Conflict) as error:
                refusal = error
        found = paginate(rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit")))
    status = refusal.status if refusal else 400 if form.is_bound and form.errors else 200
    response = render(
        request,
        "dashboard/webhooks.html",
        {"namespace": tenant, "page": found, "form": form, "secret": secret, "error": refusal},
        status=status,
    )
    if secret:
        response["Cache-Control"] = "no-store"
    return response


@page(POST="webhook.delete")
def delete(request: HttpRequest, ns: str, endpoint_id: str) -> HttpResponse:
    actor = principal(request)
    tenant = namespace_named(ns)
    with within(tenant.id):
        endpoint_delete(actor=actor, endpoint=endpoint_find(actor, tenant, endpoint_id))
    messages.success(request, _("The endpoint is removed."))
    return redirect("page-webhooks", tenant.name)


@page(POST="webhook.update")
def enable(request: HttpRequest, ns: str, endpoint_id: str) -> HttpResponse:
    actor = principal(request)
    tenant = namespace_named(ns)
    with within(tenant.id):
        endpoint_enable(actor=actor, endpoint=endpoint_find(actor, tenant, endpoint_id))
    messages.success(request, _("The endpoint hears of events again, from now on."))
    return redirect("page-webhooks", tenant.name)


@page(GET="webhook.read")
def deliveries(request: HttpRequest, ns: str) -> HttpResponse:
    tenant = namespace_named(ns)
    with within(tenant.id):
        rows = with_attempts(deliveries_of(principal(request), tenant))
        found = paginate(rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit")))
    return render(request, "dashboard/deliveries.html", {"namespace": tenant, "page": found})
