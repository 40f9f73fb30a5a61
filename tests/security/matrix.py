"""Asks every row of the table as each of the five, through the server's own entry point, and says what was not as written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.security.table import Row
from tests.security.world import ROLES, World

ORIGIN = "http://127.0.0.1:8000"
CSRF = "c" * 32


@dataclass(frozen=True)
class Observation:
    row: Row
    role: str
    expected: str
    seen: str
    answer: str


def observe(world: World, rows: Iterable[Row]) -> list[Observation]:
    found = []
    for row in rows:
        for role in ROLES:
            response = ask(world, row, role)
            found.append(Observation(row, role, row.outcomes[role], outcome(response), response.text[:200]))
    return found


def surprises(observations: Iterable[Observation]) -> list[str]:
    """A line for each answer that is not the one in the table, and for each failure of the server."""
    return [
        f"{item.row} as {item.role}: expected {item.expected}, got {item.seen}: {item.answer!r}"
        for item in observations
        if item.seen != item.expected or item.seen.startswith("5")
    ]


def outcome(response: httpx.Response) -> str:
    if response.is_redirect:
        return "login" if urlsplit(response.headers["location"]).path == "/accounts/login/" else "ok"
    return "ok" if response.is_success else str(response.status_code)


def ask(
    world: World, row: Row, role: str, *, words: dict[str, str] | None = None, token: str | None = None
) -> httpx.Response:
    """One request. `words` stand in for the world's own where given; so does `token` for the role's own credentials."""
    view = Words(world, words or {})
    sends = row.sends(world, role)
    cookies: dict[str, str] = {}
    headers: dict[str, str] = dict(sends.pop("headers", {}))
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    elif row.by_session:
        cookies["csrftoken"] = headers["X-CSRFToken"] = CSRF
        if role != "anonymous":
            cookies["sessionid"] = world.session(role)
    elif role != "anonymous":
        headers["Authorization"] = f"Bearer {world.tokens[role]}"
    return asyncio.run(_send(row.key.method, row.path.format_map(view), cookies=cookies, headers=headers, **sends))


async def _send(
    method: str, path: str, *, cookies: dict[str, str], headers: dict[str, str], **sends: Any
) -> httpx.Response:
    from saas.asgi import application

    transport = httpx.ASGITransport(app=application, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, cookies=cookies, headers=headers) as client:
        return await client.request(method, path, **sends)


class Words(dict[str, str]):
    """The words of an address: given ones first, then the world's."""

    def __init__(self, world: World, given: dict[str, str]) -> None:
        super().__init__(given)
        self.world = world

    def __missing__(self, name: str) -> str:
        return self.world[name]


def told_apart(world: World, row: Row) -> list[str]:
    """Lines for the roles that may not see a thing, but are answered otherwise for it than for one that does not exist."""
    found = []
    for role in ("anonymous", "stranger"):
        there = ask(world, row, role)
        absent = ask(world, row, role, words={row.hidden: missing_like(world, row.hidden)})
        if fingerprint(there) != fingerprint(absent):
            found.append(f"{row} as {role}: {fingerprint(there)} when it exists, {fingerprint(absent)} when not")
    return found


def missing_like(world: World, word: str) -> str:
    """A name or id of the same form that nothing has."""
    from apps.core.ids import external, new_id

    match word.removeprefix("new_"):
        case "job":
            return external("job", new_id())
        case "endpoint":
            return external("whk", new_id())
        case "owners_token":
            return str(new_id())
        case "owners_token_id":
            return external("tok", new_id())
        case _:
            return world.new_name()


def fingerprint(response: httpx.Response) -> tuple[str, str, str]:
    """Status, error code and kind of body: what a client can tell answers apart by."""
    try:
        code = str(json.loads(response.text).get("code", ""))
    except (ValueError, AttributeError):
        code = ""
    return outcome(response), response.headers.get("X-Error-Code", ""), code
