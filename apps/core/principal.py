"""Who is asking: one immutable description of the caller, made once per request and handed to every service."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from apps.core.errors import NotAuthenticated


class Kind(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True)
class Narrowing:
    """Repositories that a job's token may read and write; None in a principal means that nothing is narrowed."""

    read: frozenset[uuid.UUID]
    write: frozenset[uuid.UUID]


@dataclass(frozen=True)
class Principal:
    """The caller of a request, or the system itself.

    `can_write` is False for read tokens; `narrowing` limits a job's token to the job's repositories. `cache` holds what is loaded
    once per request (memberships) and takes no part in equality.
    """

    kind: Kind
    user_id: uuid.UUID | None = None
    username: str = ""
    token_id: uuid.UUID | None = None
    can_write: bool = True
    narrowing: Narrowing | None = None
    address: str = ""
    user_agent: str = ""
    request_id: str = ""
    is_operator: bool = False
    cache: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_authenticated(self) -> bool:
        return self.kind is not Kind.ANONYMOUS

    @property
    def person_id(self) -> uuid.UUID:
        """The person's id. Raises NotAuthenticated for the anonymous and for the system, which are nobody."""
        if self.user_id is None:
            raise NotAuthenticated()
        return self.user_id

    def as_json(self) -> dict[str, str | None]:
        """The caller as it is copied into an audit row: it must still be readable when the account is gone."""
        return {
            "type": "token" if self.token_id else self.kind.value,
            "id": str(self.user_id) if self.user_id else None,
            "name": self.username,
            "token_id": str(self.token_id) if self.token_id else None,
        }


def anonymous(*, address: str = "", user_agent: str = "", request_id: str = "") -> Principal:
    return Principal(
        kind=Kind.ANONYMOUS, can_write=False, address=address, user_agent=user_agent, request_id=request_id
    )


def system(name: str = "atrium") -> Principal:
    """The server acting by itself: reconcilers, schedules, management commands."""
    return Principal(kind=Kind.SYSTEM, username=name, is_operator=True)
