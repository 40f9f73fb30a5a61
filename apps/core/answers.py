"""Errors as answers: RFC 9457 problem documents for our API, coded headers for hub clients, a page for people.

Every answer carries the request id, and no answer names anything that the caller may not see.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from apps.core.errors import AtriumError

PROBLEM_TYPE = "application/problem+json"


def header_text(text: str) -> str:
    """A message as a header value: one line of printable ASCII, at most 500 characters."""
    flat = " ".join(text.split())
    return flat.encode("ascii", "replace").decode()[:500]


def problem_body(error: AtriumError, *, instance: str = "", request_id: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": f"/docs/errors#{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.message,
        "code": error.code,
    }
    if instance:
        body["instance"] = instance
    if request_id:
        body["request_id"] = request_id
    return body | {key: value for key, value in error.data.items() if key not in body}


def hub_headers(error: AtriumError) -> dict[str, str]:
    """Headers from which huggingface_hub chooses its exception class and the text that it shows."""
    headers = {"X-Error-Message": header_text(error.message), **error.headers}
    if error.hub_code:
        headers["X-Error-Code"] = error.hub_code
    return headers


def hub_body(error: AtriumError) -> dict[str, Any]:
    return {"error": error.message, "code": error.code} | {
        k: v for k, v in error.data.items() if k not in {"error", "code"}
    }


def hub_response(error: AtriumError) -> HttpResponse:
    return JsonResponse(hub_body(error), status=error.status, headers=hub_headers(error))


def problem_response(error: AtriumError, request: HttpRequest) -> HttpResponse:
    body = problem_body(error, instance=request.path, request_id=getattr(request, "request_id", ""))
    return JsonResponse(body, status=error.status, content_type=PROBLEM_TYPE)


def error_response(error: AtriumError, request: HttpRequest) -> HttpResponse:
    """The answer in the dialect of the address that was asked."""
    if request.path.startswith("/api/v1/"):
        return problem_response(error, request)
    if request.path.startswith("/api/"):
        return hub_response(error)
    return render(request, "error.html", {"error": error}, status=error.status)
