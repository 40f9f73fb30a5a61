"""Small tools of raw ASGI handlers: headers, bodies in pieces, answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

from apps.core.errors import AtriumError, BadInput, TooLarge
from apps.core.routes import Receive, Scope, Send
from apps.core.text import require_storable


class ClientGone(Exception):
    """The client closed the connection before it had sent everything."""


def headers_of(scope: Scope) -> dict[str, str]:
    """Header names in lower case; the last of equal names counts."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def query_of(scope: Scope) -> dict[str, str]:
    """The first value of each query parameter."""
    return {key: values[0] for key, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()}


def address_of(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else ""


def origin_of(scope: Scope) -> str:
    """Scheme, host and port that the client used: links must lead back to exactly that."""
    host = headers_of(scope).get("host", "localhost")
    return f"{scope.get('scheme', 'http')}://{host}"


async def pieces(receive: Receive, *, limit: int) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises TooLarge beyond `limit` bytes, ClientGone when the client leaves."""
    total = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        total += len(piece)
        if total > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        if piece:
            yield piece
        if not message.get("more_body", False):
            return


async def body_of(receive: Receive, *, limit: int) -> bytes:
    return b"".join([piece async for piece in pieces(receive, limit=limit)])


async def json_of(receive: Receive, *, limit: int) -> Any:
    """Raises BadInput for what is not a JSON object."""
    try:
        value = json.loads(await body_of(receive, limit=limit))
    except (ValueError, RecursionError) as error:
        raise BadInput("The body is not JSON.", code="malformed") from error
    if not isinstance(value, dict):
        raise BadInput("The body must be a JSON object.", code="malformed")
    return require_storable(value)


async def without_blocking(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces of a blocking iterator, each had in a thread: Django's streaming answers would else gather all of them first."""
    while piece := await asyncio.to_thread(next, content, b""):
        yield piece


async def start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def answer(
    send: Send, status: int, body: bytes, content_type: str, headers: Mapping[str, str] | None = None
) -> None:
    await start(send, status, {"Content-Type": content_type, "Content-Length": str(len(body)), **(headers or {})})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
    await answer(send, status, json.dumps(value).encode(), "application/json", headers)


async def answer_text_error(send: Send, error: AtriumError, headers: Mapping[str, str] | None = None) -> None:
    """An error for people at a git client, which shows plain text and nothing else."""
    await answer(send, error.status, f"{error.message}\n".encode(), "text/plain; charset=utf-8", headers)
