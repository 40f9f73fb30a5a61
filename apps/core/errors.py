"""One taxonomy: every error that a caller may cause has a status, a stable code and a sentence that says what to do.

`AtriumError` carries them; `apps.core.answers` turns them into RFC 9457 problem documents (our API), coded headers (hub API) or pages.
"""

from __future__ import annotations

from typing import Any


class AtriumError(Exception):
    """An error with an HTTP status, a stable code and a message for people.

    `hub_code` is the value of `X-Error-Code` that huggingface_hub maps to an exception class; `data` is machine-readable context.
    """

    status = 500
    code = "internal"
    title = "Something went wrong"
    hub_code: str | None = None

    def __init__(self, message: str = "", *, code: str | None = None, hub_code: str | None = None, **data: Any) -> None:
        super().__init__(message or self.title)
        self.message = message or self.title
        self.code = code or self.code
        self.hub_code = hub_code or self.hub_code
        self.data = data
        # HTTP headers that belong to the answer, such as Content-Range with a 416.
        self.headers: dict[str, str] = {}


class BadInput(AtriumError):
    status, code, title = 400, "bad_input", "The request is not valid"


class NotAuthenticated(AtriumError):
    status, code, title = 401, "not_authenticated", "Log in, or send a valid access token"


class Forbidden(AtriumError):
    status, code, title = 403, "forbidden", "You may see this, but not do that"


class NotFound(AtriumError):
    status, code, title = 404, "not_found", "There is nothing here, or you may not see it"


class MethodNotAllowed(AtriumError):
    status, code, title = 405, "method_not_allowed", "This address does not take that method"


class Conflict(AtriumError):
    status, code, title = 409, "conflict", "This conflicts with what is already there"


class Gone(AtriumError):
    status, code, title = 410, "gone", "This is no longer available"


class PreconditionFailed(AtriumError):
    status, code, title = 412, "precondition_failed", "The resource has changed meanwhile"


class TooLarge(AtriumError):
    status, code, title = 413, "too_large", "The request is larger than allowed"


class RangeNotSatisfiable(AtriumError):
    status, code, title = 416, "range_not_satisfiable", "The requested range lies outside the file"


class Unprocessable(AtriumError):
    status, code, title = 422, "unprocessable", "The request is well-formed, but cannot be carried out"


class RateLimited(AtriumError):
    status, code, title = 429, "rate_limited", "Too many requests"


class NotSupported(AtriumError):
    # 501 and not 500 or 503: clients retry those for half a minute before they show the message.
    status, code, title = 501, "not_supported", "This server does not offer that"


class Unavailable(AtriumError):
    status, code, title = 503, "unavailable", "A part of the server is not reachable; try again"
