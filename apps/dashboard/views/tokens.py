"""A person's access tokens: made here, shown once, revoked at once."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.accounts.middleware import principal
from apps.accounts.selectors import tokens_of, user_of
from apps.accounts.services import token_create, token_of, token_revoke
from apps.core.errors import AtriumError, BadInput, Conflict
from apps.core.pagination import paginate, parse_limit
from apps.dashboard.forms import TokenForm
from apps.dashboard.pages import SELF, page
from apps.orgs.scoping import within
from apps.orgs.selectors import personal_namespace


@page(GET=SELF, POST=SELF)
def tokens(request: HttpRequest) -> HttpResponse:
    """The list and the form; after POST, the new token's text, this once."""
    actor = principal(request)
    namespace = personal_namespace(actor)
    form = TokenForm(request.POST if request.method == "POST" else None)
    text, error = "", None
    if request.method == "POST" and form.is_valid():
        try:
            _token, text = token_create(
                actor=actor,
                user=user_of(actor),
                namespace_id=namespace.id,
                name=form.cleaned_data["name"],
                role=form.cleaned_data["role"],
                expires_at=form.expires_at(),
            )
            form = TokenForm()
        except (BadInput, Conflict) as refusal:
            error = refusal
    with within(namespace.id):
        found = paginate(
            tokens_of(actor), cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"))
        )
    response = render(
        request,
        "dashboard/tokens.html",
        {"page": found, "form": form, "text": text, "error": error},
        status=_status(form, error),
    )
    if text:
        response["Cache-Control"] = "no-store"
    return response


def _status(form: TokenForm, error: AtriumError | None) -> int:
    if error is not None:
        return error.status
    return 400 if form.is_bound and form.errors else 200


@page(POST=SELF)
def revoke(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    actor = principal(request)
    token = token_of(actor=actor, token_id=token_id)
    token_revoke(actor=actor, token=token)
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect("page-tokens")
