"""The store's addresses under `/xet/{repository id}`, raw because containers have up to 64 MiB.

What the store does not offer (global deduplication, grants, the second shard version) answers 404; clients then do without.
"""

from __future__ import annotations

import asyncio
import uuid

from asgiref.sync import sync_to_async

from apps.core.errors import NotFound
from apps.core.http import answer_json, body_of, headers_of, pieces
from apps.core.routes import Receive, Scope, Send, register_route
from apps.repositories import blobs
from apps.repositories.models import Repository
from apps.repositories.signing import read_store
from apps.repositories.xet import store
from apps.repositories.xet.formats import shard_files

MAX_XORB = 64 * 1024 * 1024
# Headers of up to 8,192 chunks come on top of the chunks themselves.
SLACK = 1024 * 1024
MAX_SHARD = 16 * 1024 * 1024
GATHER = 2 * 1024 * 1024
STORE = r"/xet/(?P<repository>[0-9a-f-]{36})"


def register() -> None:
    for name, pattern, methods, handler in (
        ("xet.xorb", STORE + r"/v1/xorbs/default/(?P<hash>[0-9a-f]{64})", {"POST"}, xorb),
        ("xet.shard", STORE + r"/v1/shards", {"POST"}, shard),
        ("xet.not_offered", STORE + r"/(?!v1/xorbs/|v1/shards$).*", {"GET", "POST", "HEAD"}, not_offered),
        ("xet.telemetry", r"/v1/telemetry", {"POST"}, not_offered),
    ):
        register_route(name=name, pattern=pattern, methods=methods, action="signed", handler=handler)


async def _open(scope: Scope, params: dict[str, str]) -> Repository:
    scheme, _, token = headers_of(scope).get("authorization", "").partition(" ")
    read_store(token if scheme.lower() == "bearer" else "", params["repository"])
    return await sync_to_async(_repository)(params["repository"])


def _repository(text: str) -> Repository:
    try:
        repository_id = uuid.UUID(text)
    except ValueError as error:
        raise NotFound() from error
    found = (
        Repository.objects.unscoped(reason="the token is signed for this repository").filter(id=repository_id).first()
    )
    if found is None:
        raise NotFound("The repository is gone.", code="repository_gone")
    return found


async def xorb(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    repository = await _open(scope, params)
    if await sync_to_async(store.has_xorb)(repository, params["hash"]):
        async for _ in pieces(receive, limit=MAX_XORB + SLACK):
            pass  # what is there already stays as it is
        await answer_json(send, 200, {"was_inserted": False})
        return
    writer = blobs.PartWriter(store.xorb_key(repository, params["hash"]))
    gathered = bytearray()
    try:
        async for piece in pieces(receive, limit=MAX_XORB + SLACK):
            gathered += piece
            if len(gathered) >= GATHER:
                await asyncio.to_thread(writer.write, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(writer.write, bytes(gathered))
        await asyncio.to_thread(writer.complete)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(writer.abort))
        raise
    inserted = await sync_to_async(store.record_xorb)(repository, params["hash"], writer.written)
    await answer_json(send, 200, {"was_inserted": inserted})


async def shard(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    repository = await _open(scope, params)
    files = await asyncio.to_thread(shard_files, await body_of(receive, limit=MAX_SHARD))
    for file in files:
        await sync_to_async(store.store_file)(repository, file)
    await answer_json(send, 200, {"result": 1 if files else 0})


async def not_offered(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    await answer_json(send, 404, {"error": "This store does not offer that.", "code": "not_offered"})
