"""What every page has in common: its methods and the policy action of each, the way to the log-in, and no copy in shared caches."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control

from apps.accounts.middleware import principal
from apps.core.errors import MethodNotAllowed, NotAuthenticated

# What `atrium_action` says beside the names of the truth table: a page for everybody, and one of the caller's own account.
OPEN = "open"
SELF = "self"


class Page(Protocol):
    """A view that declares which action each of its methods asks about."""

    atrium_action: dict[str, str]

    def __call__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse: ...


def page(**actions: str) -> Callable[[Callable[..., HttpResponse]], Page]:
    """`@page(GET="job.read", POST="job.cancel")`: other methods are refused, and who must log in is sent to do so."""

    def decorate(view: Callable[..., HttpResponse]) -> Page:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            method = "GET" if request.method == "HEAD" else str(request.method)
            if method not in actions:
                raise MethodNotAllowed()
            try:
                if actions[method] == SELF and not principal(request).is_authenticated:
                    raise NotAuthenticated()
                response = view(request, *args, **kwargs)
            except NotAuthenticated:
                response = redirect_to_login(request.get_full_path() if method == "GET" else "/")
            # What one person may see must not come out of a cache for the next one.
            patch_cache_control(response, private=True, no_cache=True)
            return response

        answer.atrium_action = dict(actions)  # type: ignore[attr-defined]
        return cast(Page, answer)

    return decorate
