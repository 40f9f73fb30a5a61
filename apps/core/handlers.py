"""What Django calls where no view is left to raise: unknown addresses, refused requests, defects, in the caller's dialect."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from apps.core.answers import error_response
from apps.core.errors import AtriumError, BadInput, NotFound


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(request, BadInput("The request was refused as malformed."), "400.html")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path.startswith("/api/"):
        return error_response(NotFound(), request)
    return HttpResponse(render_to_string("404.html", request=request), status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _answer(request, AtriumError(), "500.html")


def _answer(request: HttpRequest, error: AtriumError, page: str) -> HttpResponse:
    """These pages are made of nothing that may be broken or refused: no session, no database, no host name."""
    if request.path.startswith("/api/"):
        return error_response(error, request)
    return HttpResponse(render_to_string(page), status=error.status)
