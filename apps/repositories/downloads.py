"""Bytes of a file as an HTTP answer: whole or a range, streamed in constant memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass

from apps.core.errors import RangeNotSatisfiable
from apps.core.http import start
from apps.core.routes import Send

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class Span:
    """`length` bytes from `first`; `partial` when a range was asked for."""

    first: int
    length: int
    partial: bool


def span_of(header: str | None, size: int) -> Span:
    """What a `Range` header asks for (RFC 9110 §14.2); several ranges or other units are answered whole. Raises RangeNotSatisfiable."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not any(match.groups()):
        return Span(0, size, False)
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise _unsatisfiable(size)
        return Span(size - length, length, True)
    begin = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < begin:
        return Span(0, size, False)
    if begin >= size:
        raise _unsatisfiable(size)
    return Span(begin, end - begin + 1, True)


def _unsatisfiable(size: int) -> RangeNotSatisfiable:
    error = RangeNotSatisfiable(f"The file has {size} bytes.")
    error.headers = {"Content-Range": f"bytes */{size}"}
    return error


async def send_span(
    send: Send, span: Span, size: int, headers: dict[str, str], content: Iterator[bytes] | None
) -> None:
    """Headers and, unless `content` is None (HEAD), the bytes. A blocking iterator is read in a thread."""
    headers = {**headers, "Content-Length": str(span.length), "Accept-Ranges": "bytes"}
    if span.partial:
        headers["Content-Range"] = f"bytes {span.first}-{span.first + span.length - 1}/{size}"
    iterator = content if content is not None else iter(())
    # The first piece is had before the status is sent: a storage that fails is an error, not a broken body.
    piece = await asyncio.to_thread(next, iterator, b"")
    await start(send, 206 if span.partial else 200, headers)
    while piece:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        piece = await asyncio.to_thread(next, iterator, b"")
    await send({"type": "http.response.body", "body": b""})
