"""DRF's view of the Principal; requests that come by session must carry the CSRF token."""

from __future__ import annotations

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from apps.accounts.middleware import principal
from apps.core.principal import Principal


class PrincipalAuthentication(BaseAuthentication):
    """`request.auth` is the Principal; permission is the services' matter."""

    def authenticate(self, request: Request) -> tuple[object, Principal]:
        who = principal(request._request)
        if who.is_authenticated and who.token_id is None:
            SessionAuthentication().enforce_csrf(request)
        return request._request.user, who

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = PrincipalAuthentication
    name = "accessToken"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "atr_…",
            "description": "An access token (read or write).",
        }


def caller(request: HttpRequest | Request) -> Principal:
    """The principal of a DRF or Django request."""
    return principal(request._request if isinstance(request, Request) else request)
