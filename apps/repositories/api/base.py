"""Hub API views: plain Django, JSON in and out, errors in the words that hub clients understand.

Only tokens may change things here: a browser's session is good for reading, so that no other site can write with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from apps.accounts.middleware import principal
from apps.core.errors import AtriumError, BadInput, MethodNotAllowed, NotAuthenticated
from apps.core.principal import Principal
from apps.core.text import require_storable
from apps.orgs.policies import require
from apps.repositories.access import KINDS, LoginFirst
from apps.repositories.exceptions import RepoNotFound
from apps.repositories.models import Repository
from apps.repositories.selectors import repository_find

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def hub_view(**actions: str) -> Callable[[View[P]], View[P]]:
    """Declares the methods of a view and the action that each asks `can()` about: `@hub_view(GET="repository.read")`."""

    def decorate(view: View[P]) -> View[P]:
        @csrf_exempt
        @wraps(view)
        def wrapped(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            method = "GET" if request.method == "HEAD" else str(request.method)
            if method not in actions:
                raise MethodNotAllowed(f"This address takes {', '.join(sorted(actions))}.")
            who = principal(request)
            if method not in SAFE and who.is_authenticated and who.token_id is None and actions[method] != "open":
                raise NotAuthenticated("Send an access token; a browser's session cannot change anything here.")
            return view(request, *args, **kwargs)

        wrapped.atrium_action = actions  # type: ignore[attr-defined]
        return cast(View[P], wrapped)

    return decorate


def find(
    request: HttpRequest, type: str, namespace: str, name: str, action: str = "repository.read"
) -> tuple[Principal, Repository]:
    """The caller and the repository to which he may do the action. The anonymous is asked to log in where he sees nothing."""
    actor = principal(request)
    try:
        repository = repository_find(actor=actor, kind=KINDS[type], namespace_name=namespace, name=name)
        require(actor, action, repository, sees="repository.read")
    except RepoNotFound as error:
        if not actor.is_authenticated:
            raise LoginFirst(error.message) from error
        raise
    except AtriumError as error:
        if error.status == 401:
            error.hub_code = "RepoNotFound"
        raise
    return actor, repository


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty object. Raises BadInput."""
    if not request.body.strip():
        return {}
    try:
        value = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not JSON.", code="malformed") from error
    if not isinstance(value, dict):
        raise BadInput("The body must be a JSON object.", code="malformed")
    require_storable(value)
    return value


def text_field(body: dict[str, Any], name: str, *, default: str | None = None, maximum: int = 10_000) -> str:
    """A text of the body. Raises BadInput when it is missing, of another type, or too long."""
    value = body.get(name, default)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise BadInput(f"{name} must be a text.", code="bad_field", field=name)
    if len(value) > maximum or "\x00" in value:
        raise BadInput(f"{name} must have at most {maximum} characters and no NUL.", code="bad_field", field=name)
    return value


def flag(request: HttpRequest, name: str) -> bool:
    return request.GET.get(name, "").lower() in {"1", "true", "yes"}


def origin(request: HttpRequest) -> str:
    """Scheme, host and port that the client uses; links lead back to exactly that."""
    return f"{request.scheme}://{request.get_host()}"
