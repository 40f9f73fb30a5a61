"""Text that PostgreSQL, git and JSON readers all take: no NUL, no half of a surrogate pair."""

from __future__ import annotations

from typing import Any

from apps.core.errors import BadInput


def is_storable(text: str) -> bool:
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def require_storable(value: Any, *, field: str = "body") -> Any:
    """The value as it is, when every text in it can be stored; raises BadInput naming the field."""
    if isinstance(value, str):
        if not is_storable(value):
            raise BadInput(f"{field} holds a NUL or a lone surrogate.", code="bad_text", field=field)
    elif isinstance(value, dict):
        for key, item in value.items():
            require_storable(key, field=field)
            require_storable(item, field=str(key)[:64] if is_storable(str(key)) else field)
    elif isinstance(value, list):
        for item in value:
            require_storable(item, field=field)
    return value
