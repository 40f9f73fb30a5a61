"""Identifiers: UUIDv7 inside, `prefix_` + 26 base32 characters outside, 24 hex digits for hub clients' `_id`.

The outside form is TypeID (https://github.com/jetify-com/typeid, spec 0.3): sortable by time, safe to double-click, one case.
"""

from __future__ import annotations

import uuid

import uuid_utils.compat

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32, in lower case
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
LENGTH = 26

# What belongs to no tenant (failed log-ins of unknown names, the operator's acts) is recorded under this namespace.
SYSTEM_NAMESPACE_ID = uuid.UUID("00000000-0000-7000-8000-000000000000")


def new_id() -> uuid.UUID:
    """A fresh UUIDv7 (RFC 9562 §5.7)."""
    return uuid_utils.compat.uuid7()


def external(prefix: str, value: uuid.UUID) -> str:
    """`external("job", id)` → `job_01h…`."""
    number, characters = value.int, []
    for _ in range(LENGTH):
        number, digit = divmod(number, 32)
        characters.append(ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(characters))}"


def internal(prefix: str, text: str) -> uuid.UUID | None:
    """The UUID of an outside id, or None where the text is not one of that prefix."""
    head, _, tail = text.rpartition("_")
    if head != prefix or len(tail) != LENGTH or any(character not in _VALUES for character in tail):
        return None
    number = 0
    for character in tail:
        number = number * 32 + _VALUES[character]
    return uuid.UUID(int=number) if number < 1 << 128 else None


def hub_id(value: uuid.UUID) -> str:
    """24 hex digits (the form that hub clients know as `_id`): the time and the random tail of the UUID."""
    return value.hex[:12] + value.hex[-12:]
