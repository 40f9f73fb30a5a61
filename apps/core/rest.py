"""DRF under our taxonomy: problem documents for every error, and a schema of our own API alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from pydantic import ValidationError as SpecError
from rest_framework import exceptions
from rest_framework.parsers import JSONParser

from apps.core.answers import problem_response
from apps.core.errors import AtriumError, BadInput, Forbidden, MethodNotAllowed
from apps.core.middleware import as_atrium_error
from apps.core.text import require_storable


class StorableJSONParser(JSONParser):
    """JSON whose texts can all be stored."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        try:
            return require_storable(super().parse(stream, media_type, parser_context))
        except RecursionError as error:
            raise BadInput("The body is nested too deeply.", code="malformed") from error


def from_pydantic(error: SpecError, *, code: str = "bad_input") -> BadInput:
    """A validation error of a pydantic model, naming each field and what is wrong with it."""
    problems = [
        {"field": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in error.errors(include_url=False, include_input=False, include_context=False)[:20]
    ]
    first = problems[0] if problems else {"field": "", "message": "is not valid"}
    return BadInput(f"{first['field']}: {first['message']}", code=code, errors=problems)


def exception_handler(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """DRF's hook: every expected error becomes a problem document; a defect goes on to Django's handler."""
    known = as_atrium_error(error) or _from_drf(error)
    return problem_response(known, context["request"]._request) if known else None


def _from_drf(error: Exception) -> AtriumError | None:
    if isinstance(error, SpecError):
        return from_pydantic(error)
    if isinstance(error, exceptions.ValidationError):
        return BadInput("The request is not valid.", errors=error.detail)
    if isinstance(error, exceptions.MethodNotAllowed):
        return MethodNotAllowed(str(error.detail))
    if isinstance(error, exceptions.UnsupportedMediaType):
        unsupported = BadInput("Send JSON, with Content-Type: application/json.", code="unsupported_media_type")
        unsupported.status = 415
        return unsupported
    if isinstance(error, exceptions.NotAcceptable):
        unacceptable = BadInput("This API answers JSON.", code="not_acceptable")
        unacceptable.status = 406
        return unacceptable
    if isinstance(error, exceptions.PermissionDenied):
        # DRF's only use of it here: a request that came by session without the CSRF token.
        return Forbidden(str(error.detail), code="csrf_failed")
    if isinstance(error, exceptions.APIException):
        return BadInput(str(error.detail), code="malformed")
    return None


def only_own_api(
    endpoints: list[tuple[str, str, str, Callable[..., Any]]],
) -> list[tuple[str, str, str, Callable[..., Any]]]:
    """drf-spectacular's hook: the hub API is other people's contract and is documented by them."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]
