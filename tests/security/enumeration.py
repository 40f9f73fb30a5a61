"""Every route that the server answers, found in Django's resolver and in the raw table; nobody keeps this list by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from apps.core.routes import raw_routes

# Answered by Django for every view, and by the dispatcher as their GET: routes of their own they are not.
IMPLIED = {"OPTIONS", "HEAD"}


@dataclass(frozen=True, order=True)
class Key:
    """A route and one of its methods: a line of the table."""

    name: str
    method: str

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


@dataclass(frozen=True)
class Found:
    name: str
    pattern: str
    methods: frozenset[str]
    declared: frozenset[str] | None


def django_routes() -> list[Found]:
    return list(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[Found]:
    for item in patterns:
        where = f"{prefix}{item.pattern}"
        if isinstance(item, URLResolver):
            yield from _walk(item.url_patterns, where)
        else:
            cls = getattr(item.callback, "cls", item.callback)
            declared = getattr(cls, "atrium_action", None)
            yield Found(item.name or "", where, _methods(item.callback), frozenset(declared) if declared else None)


def _methods(view: Callable[..., Any]) -> frozenset[str]:
    """What the view answers: the handlers of a class, else what it declares."""
    cls = getattr(view, "cls", None) or getattr(view, "view_class", None)
    if cls is None:
        return frozenset(getattr(view, "atrium_action", {"GET": ""}))
    handlers = {name.upper() for name in cls.http_method_names if hasattr(cls, name)}
    return frozenset(handlers - IMPLIED)


def all_keys() -> set[Key]:
    """One key for each route and method; the raw table's routes have their names beside Django's."""
    keys = {Key(found.name, method) for found in django_routes() for method in found.methods}
    return keys | {
        Key(route.name, method) for route in raw_routes() for method in route.methods - {"HEAD"} or route.methods
    }
