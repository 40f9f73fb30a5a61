"""Request ids, one log line a request, and errors of the taxonomy turned into answers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse

from apps.core.answers import error_response
from apps.core.errors import AtriumError, BadInput, Forbidden, NotFound, TooLarge
from apps.core.ids import new_id

log = structlog.get_logger("atrium.request")
GetResponse = Callable[[HttpRequest], HttpResponse]
_SAFE_ID = re.compile(r"[A-Za-z0-9._:=;-]{1,128}")


def request_id_from(header: str | None, trace_header: str | None) -> str:
    """The caller's id when it is harmless in a log, else a new one."""
    for candidate in (header, trace_header):
        if candidate and _SAFE_ID.fullmatch(candidate):
            return candidate
    return new_id().hex


class RequestIdMiddleware:
    """Gives every request an id, echoes it as `X-Request-Id`, and logs one line with it."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = request_id_from(request.headers.get("x-request-id"), request.headers.get("x-amzn-trace-id"))
        request.request_id = request_id  # type: ignore[attr-defined]
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        log.info(
            "request",
            method=request.method,
            path=loggable(request.path),
            status=response.status_code,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        structlog.contextvars.unbind_contextvars("request_id")
        return response


_SECRET = re.compile(r"(/(?:lfs/(?:upload|download|verify)|accounts/password/reset/key|accounts/confirm-email)/)[^/]+")


def loggable(path: str) -> str:
    """The path without what would let a reader of the log act in somebody's place: signed addresses, keys of mails."""
    return _SECRET.sub(r"\1…", path)


def as_atrium_error(error: Exception) -> AtriumError | None:
    """The taxonomy's name for an exception of Django, or None for a defect of ours."""
    if isinstance(error, AtriumError):
        return error
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return Forbidden()
    if isinstance(error, RequestDataTooBig):
        return TooLarge("The request body is larger than this address takes.")
    if isinstance(error, SuspiciousOperation):
        return BadInput("The request was refused as malformed.")
    return None


class ErrorMiddleware:
    """Turns errors of the taxonomy, wherever a view raises them, into answers in the caller's dialect."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = as_atrium_error(exception)
        return error_response(error, request) if error else None
