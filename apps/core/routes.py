"""The table of raw ASGI routes: what streams, and so goes around Django. Read by the dispatcher and by the route × role test."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
# A handler gets the match's named groups (percent-decoded by the handler where it wants to) beside the ASGI triple.
Handler = Callable[[Scope, Receive, Send, dict[str, str]], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """`pattern` is matched against the path with `%2F` kept literal; `action` is what `can()` is asked."""

    name: str
    pattern: re.Pattern[str]
    methods: frozenset[str]
    action: str
    handler: Handler


_table: list[Route] = []


def register_route(*, name: str, pattern: str, methods: set[str], action: str, handler: Handler) -> None:
    """Adds a raw route; a name is taken once."""
    if any(route.name == name for route in _table):
        raise ValueError(f"raw route {name!r} is registered twice")
    _table.append(Route(name, re.compile(pattern), frozenset(methods), action, handler))


def raw_routes() -> tuple[Route, ...]:
    return tuple(_table)


def match(path: str) -> list[tuple[Route, dict[str, str]]]:
    """Every raw route whose pattern matches the whole path; the dispatcher picks by method."""
    found = []
    for route in _table:
        hit = route.pattern.fullmatch(path)
        if hit:
            found.append((route, {key: value or "" for key, value in hit.groupdict().items()}))
    return found
