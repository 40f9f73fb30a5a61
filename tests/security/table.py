"""The kinds of rows that the route table is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.security.enumeration import Key
from tests.security.world import ROLES, World

# What a request sends beside its address: keyword arguments of httpx.
Sends = Callable[[World, str], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """One route, how it is asked, and what each of the five is answered.

    Outcomes: `ok` (2xx, or a redirect elsewhere than to the log-in), `login` (a redirect to the log-in), or a status.
    """

    key: Key
    variant: str
    path: str
    outcomes: dict[str, str]
    sends: Sends
    by_session: bool
    # Who may not see it must not learn whether it exists: this word of the address, replaced by another, changes no answer.
    hidden: str = ""

    def __str__(self) -> str:
        return f"{self.key} ({self.variant})" if self.variant else str(self.key)


def nothing(world: World, role: str) -> dict[str, Any]:
    return {}


def json(**fields: str | int | bool | list[Any] | dict[str, Any]) -> Sends:
    """A JSON body; texts are filled in like addresses."""

    def sends(world: World, role: str) -> dict[str, Any]:
        return {
            "json": {key: value.format_map(world) if isinstance(value, str) else value for key, value in fields.items()}
        }

    return sends


@dataclass
class Table:
    """A route and method may have several rows, told apart by their variant."""

    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        methods: str,
        name: str,
        path: str,
        outcomes: str,
        sends: Sends = nothing,
        *,
        session: bool = False,
        hidden: str = "",
        variant: str = "",
    ) -> None:
        """`outcomes` in the order anonymous, stranger, member, maintainer, owner; one word counts for all."""
        words = outcomes.split()
        words = words * len(ROLES) if len(words) == 1 else words
        known = {(row.key, row.variant) for row in self.rows}
        for method in methods.split():
            key = Key(name, method)
            if (key, variant) in known:
                raise ValueError(f"{key} {variant} stands in the table twice")
            expected = dict(zip(ROLES, words, strict=True))
            self.rows.append(Row(key, variant, path, expected, sends, session, hidden))

    def keys(self) -> set[Key]:
        return {row.key for row in self.rows}
