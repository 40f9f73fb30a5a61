"""The dispatcher: what streams goes to its raw handler, everything else to Django, each with a request id and one log line.

The path is built from `raw_path` with `%2F` kept literal, because hub clients send a revision such as `refs/pr/1` as one segment.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "saas.settings")

import django

django.setup()

import json  # noqa: E402

import structlog  # noqa: E402
from asgiref.sync import ThreadSensitiveContext, sync_to_async  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.db import close_old_connections  # noqa: E402

from apps.core import routes  # noqa: E402
from apps.core.answers import hub_body, hub_headers  # noqa: E402
from apps.core.errors import AtriumError, BadInput, MethodNotAllowed, TooLarge  # noqa: E402
from apps.core.middleware import loggable, request_id_from  # noqa: E402

log = structlog.get_logger("atrium.request")
django_application = get_asgi_application()
# A commit carries its plain files inline; clients split what is larger.
MAX_DJANGO_BODY = 128 * 1024 * 1024


def literal_slash_path(raw_path: bytes) -> str:
    """The percent-decoded path in which an encoded slash stays `%2F` and an encoded percent sign `%25`.

    Whoever takes a revision or a file's path from it decodes those two, so that nothing is decoded twice.
    """
    text = raw_path.split(b"?", 1)[0].decode("ascii", "replace")
    return unquote(text.replace("%25", "%2525").replace("%2F", "%252F").replace("%2f", "%252F"))


class Sender:
    """Wraps `send`: adds the request id, and remembers whether and with what status the answer began."""

    def __init__(self, send: routes.Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self._request_id.encode())]
            message = {**message, "headers": headers}
        await self._send(message)


async def answer_error(error: AtriumError, send: Sender, *, head: bool) -> None:
    """An error in the hub's dialect: coded headers and a JSON body."""
    body = json.dumps(hub_body(error)).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **hub_headers(error)}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if head else body})


async def run_raw(
    hits: list[tuple[routes.Route, dict[str, str]]], scope: routes.Scope, receive: routes.Receive, send: routes.Send
) -> None:
    """Runs the raw route that takes the method; errors before the first byte become answers, later ones cut the connection."""
    headers = {name.lower(): value for name, value in scope["headers"]}
    request_id = request_id_from(
        headers.get(b"x-request-id", b"").decode("latin-1"), headers.get(b"x-amzn-trace-id", b"").decode("latin-1")
    )
    scope["atrium"] = {"request_id": request_id}
    started = time.perf_counter()
    sender = Sender(send, request_id)
    structlog.contextvars.bind_contextvars(request_id=request_id)
    head = scope["method"] == "HEAD"
    try:
        async with ThreadSensitiveContext():
            try:
                chosen = next(((route, params) for route, params in hits if scope["method"] in route.methods), None)
                if chosen is None:
                    raise MethodNotAllowed()
                await chosen[0].handler(scope, receive, sender, chosen[1])
            except AtriumError as error:
                if sender.status is not None:
                    raise
                await answer_error(error, sender, head=head)
            except Exception:
                log.exception("request.failed", path=loggable(scope["path"]))
                if sender.status is not None:
                    raise
                await answer_error(AtriumError(), sender, head=head)
            finally:
                await sync_to_async(close_old_connections)()
    finally:
        log.info(
            "request",
            method=scope["method"],
            path=loggable(scope["path"]),
            status=sender.status,
            milliseconds=round((time.perf_counter() - started) * 1000, 1),
        )
        structlog.contextvars.unbind_contextvars("request_id")


async def run_django(scope: routes.Scope, receive: routes.Receive, send: routes.Send) -> None:
    """Django spools a whole body to disk before it looks at it, so a body that is too large is refused before."""
    too_large = TooLarge(f"The body is larger than {MAX_DJANGO_BODY} bytes.")
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > MAX_DJANGO_BODY:
        await answer_error(too_large, Sender(send, request_id_from(None, None)), head=False)
        return
    received = 0

    async def bounded() -> MutableMapping[str, Any]:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return message if received <= MAX_DJANGO_BODY else {"type": "http.disconnect"}

    await django_application(dict(scope), bounded, send)  # type: ignore[arg-type]  # ASGI's own looser types
    if received > MAX_DJANGO_BODY:
        await answer_error(too_large, Sender(send, request_id_from(None, None)), head=False)


async def lifespan(receive: routes.Receive, send: routes.Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return


async def application(scope: routes.Scope, receive: routes.Receive, send: routes.Send) -> None:
    """The ASGI entry point."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        # An empty context for each request: uvicorn starts a request that waited for its predecessor within that one's context, and two
        # requests would share, and half-way lose, the thread that holds their database connection.
        await asyncio.create_task(dispatch(scope, receive, send), context=contextvars.Context())


async def dispatch(scope: routes.Scope, receive: routes.Receive, send: routes.Send) -> None:
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    scope = {**scope, "path": literal_slash_path(raw_path)}
    if "\x00" in scope["path"] or b"%00" in scope.get("query_string", b""):
        sender = Sender(send, request_id_from(None, None))
        await answer_error(
            BadInput("An address must not hold NUL.", code="bad_address"), sender, head=scope["method"] == "HEAD"
        )
        return
    hits = routes.match(scope["path"])
    if hits:
        await run_raw(hits, scope, receive, send)
    else:
        await run_django(scope, receive, send)
