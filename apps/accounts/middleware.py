"""Puts the Principal on every Django request: the token's owner when credentials are sent, else the session's person."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from apps.accounts.authentication import authenticate, principal_of
from apps.core.answers import error_response
from apps.core.errors import NotAuthenticated
from apps.core.principal import Principal


def client_address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR") or "")


class PrincipalMiddleware:
    """Sets `request.principal`. A request with an Authorization header is never answered as the session's person, and needs no CSRF token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            request.principal = self._principal(request)  # type: ignore[attr-defined]
        except NotAuthenticated as error:
            return error_response(error, request)
        return self.get_response(request)

    def _principal(self, request: HttpRequest) -> Principal:
        request_id = getattr(request, "request_id", "")
        address = client_address(request)
        if "authorization" not in request.headers and request.user.is_authenticated:
            user_agent = request.headers.get("user-agent", "")[:512]
            return principal_of(request.user, address=address, user_agent=user_agent, request_id=request_id)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return authenticate(headers, address, request_id=request_id)


def principal(request: HttpRequest) -> Principal:
    """The principal that the middleware set."""
    found: Principal = request.principal  # type: ignore[attr-defined]
    return found
