"""`GET /api/whoami-v2`: who a token belongs to, as hub clients ask it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django_scopes import scopes_disabled

from apps.accounts.authentication import BAD_CREDENTIALS
from apps.accounts.middleware import principal
from apps.accounts.models import AccessToken
from apps.accounts.selectors import user_of
from apps.core.errors import MethodNotAllowed, NotAuthenticated
from apps.core.principal import Principal
from apps.orgs.selectors import organisations_of


def whoami(request: HttpRequest) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        raise MethodNotAllowed("This address takes GET.")
    actor = principal(request)
    if not actor.is_authenticated:
        raise NotAuthenticated(BAD_CREDENTIALS, code="bad_credentials")
    user = user_of(actor)
    organisations = [
        {
            "type": "org",
            "name": row.namespace.name,
            "fullname": row.namespace.full_name or row.namespace.name,
            "roleInOrg": row.role,
            "isEnterprise": True,
        }
        for row in organisations_of(actor)
    ]
    shown = {
        "type": "user",
        "id": user.id.hex,
        "name": user.username,
        "fullname": user.get_full_name(),
        "email": user.email,
        "emailVerified": True,
        "isPro": False,
        "canPay": False,
        "periodEnd": None,
        "avatarUrl": "",
        "orgs": organisations,
        "auth": _credentials(actor),
    }
    return JsonResponse(shown)


whoami.atrium_action = {"GET": "self"}  # type: ignore[attr-defined]


def _credentials(actor: Principal) -> dict[str, object]:
    if actor.token_id is None:
        return {"type": "session"}
    with scopes_disabled():
        token = AccessToken.objects.get(id=actor.token_id)
    return {
        "type": "access_token",
        "accessToken": {"displayName": token.name, "role": token.role, "createdAt": token.created_at.isoformat()},
    }
