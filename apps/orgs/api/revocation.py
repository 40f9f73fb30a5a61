"""Where whoever finds leaked tokens hands them in: no account is needed, and the answer tells nothing about them."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.middleware import principal
from apps.accounts.services import leaked_tokens_revoke
from apps.core.errors import BadInput, MethodNotAllowed, TooLarge

MAX_CREDENTIALS = 100
MAX_BODY = 64 * 1024


# No session speaks here: that somebody holds the text is what counts.
@csrf_exempt
def revoke(request: HttpRequest) -> HttpResponse:
    """`{"credentials": ["atr_…", …]}` → 202, always the same, whether they were alive, dead or never tokens of ours."""
    if request.method != "POST":
        raise MethodNotAllowed()
    leaked_tokens_revoke(actor=principal(request), texts=_credentials(request))
    return HttpResponse(status=202)


def _credentials(request: HttpRequest) -> list[str]:
    if len(request.body) > MAX_BODY:
        raise TooLarge(f"The body may have at most {MAX_BODY} bytes.")
    try:
        found = json.loads(request.body)["credentials"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadInput('Send {"credentials": ["atr_…"]} as JSON.', code="bad_credentials_list") from error
    if (
        not isinstance(found, list)
        or not 1 <= len(found) <= MAX_CREDENTIALS
        or not all(isinstance(t, str) for t in found)
    ):
        raise BadInput(f"credentials must be a list of 1 to {MAX_CREDENTIALS} texts.", code="bad_credentials_list")
    return list(dict.fromkeys(found))


revoke.atrium_action = {"POST": "open"}  # type: ignore[attr-defined]
