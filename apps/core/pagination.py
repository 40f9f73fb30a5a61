"""Cursor pagination: pages by primary key (UUIDv7, so by time), stable while rows are inserted, at constant query count."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from apps.core.errors import BadInput

M = TypeVar("M", bound=Model)
DEFAULT_LIMIT = 50
MAX_LIMIT = 1000


@dataclass(frozen=True)
class Page(Generic[M]):
    """Rows of one page, newest first, and the cursor of the next (None at the end)."""

    items: list[M]
    next_cursor: str | None


def encode_cursor(value: str) -> str:
    return base64.urlsafe_b64encode(value.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Raises BadInput for what `encode_cursor` did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True).decode()
        if "\x00" in text:
            raise ValueError("NUL")
        return text
    except (ValueError, binascii.Error) as error:
        raise BadInput(
            "The cursor is not one that this server gave out; start without it.", code="bad_cursor"
        ) from error


def parse_limit(raw: str | None, *, default: int = DEFAULT_LIMIT, maximum: int = MAX_LIMIT) -> int:
    """1 … maximum; more than the maximum is quietly the maximum, anything else that is not a positive number is refused."""
    if raw is None or raw == "":
        return default
    if not raw.isascii() or not raw.isdigit() or int(raw[:12]) < 1:
        raise BadInput("limit must be a positive number.", code="bad_limit")
    return min(int(raw[:12]), maximum)


def paginate(queryset: QuerySet[M], *, cursor: str | None, limit: int) -> Page[M]:
    """One page of a queryset whose primary key is a UUIDv7, newest first. One query."""
    rows = queryset.order_by("-pk")
    if cursor:
        try:
            after = uuid.UUID(decode_cursor(cursor))
        except ValueError as error:
            raise BadInput(
                "The cursor is not one that this server gave out; start without it.", code="bad_cursor"
            ) from error
        rows = rows.filter(pk__lt=after)
    items = list(rows[: limit + 1])
    more = len(items) > limit
    items = items[:limit]
    return Page(items, encode_cursor(str(items[-1].pk)) if more and items else None)


def next_link(request: HttpRequest, cursor: str | None) -> str | None:
    """The absolute address of the next page on the origin that the client uses, or None."""
    if cursor is None:
        return None
    query: list[tuple[str, Any]] = [
        (key, value) for key, values in request.GET.lists() if key != "cursor" for value in values
    ]
    return request.build_absolute_uri(f"{request.path}?{urlencode([*query, ('cursor', cursor)])}")
