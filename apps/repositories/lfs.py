"""The LFS batch API and its transfers (git-lfs `docs/api/batch.md`, basic transfer).

Bytes go through us to S3 at signed addresses that need no credentials; those answer 403 or 404 and never 401.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

from asgiref.sync import sync_to_async

from apps.core.errors import AtriumError, BadInput, NotAuthenticated, NotFound, Unprocessable
from apps.core.http import answer, answer_json, headers_of, json_of, origin_of, pieces
from apps.core.principal import Principal
from apps.core.routes import Receive, Scope, Send, register_route
from apps.orgs.policies import require
from apps.repositories import blobs
from apps.repositories.access import REPOSITORY, open_repository
from apps.repositories.downloads import send_span, span_of
from apps.repositories.exceptions import ObjectMissing
from apps.repositories.models import Repository
from apps.repositories.signing import TRANSFER_SECONDS, Transfer, read_transfer, sign_transfer

MEDIA = "application/vnd.git-lfs+json"
MAX_OBJECTS = 1000
MAX_SIZE = 100 * 1024**3
MAX_BATCH = 1024 * 1024
# Hashing and sending happen in a thread; pieces are gathered so that the hand-over does not cost more than the work.
GATHER = 2 * 1024 * 1024
CHALLENGE = {"LFS-Authenticate": 'Basic realm="Atrium"', "WWW-Authenticate": 'Basic realm="Atrium"'}


def register() -> None:
    register_route(
        name="lfs.batch",
        pattern=REPOSITORY + r"(?:\.git)?/info/lfs/objects/batch",
        methods={"POST"},
        action="repository.read",
        handler=batch,
    )
    register_route(
        name="lfs.locks",
        pattern=REPOSITORY + r"(?:\.git)?/info/lfs/locks(?:/.*)?",
        methods={"GET", "POST"},
        action="repository.read",
        handler=locks,
    )
    for name, methods, handler in (
        ("upload", {"PUT"}, upload),
        ("download", {"GET", "HEAD"}, download),
        ("verify", {"POST"}, verify),
    ):
        register_route(
            name=f"lfs.{name}",
            pattern=rf"/lfs/{name}/(?P<token>[A-Za-z0-9_:=-]+)",
            methods=methods,
            action="signed",
            handler=handler,
        )


async def batch(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    try:
        actor, repository = await open_repository(scope, params, "repository.read")
        body = await json_of(receive, limit=MAX_BATCH)
        answered = await sync_to_async(_batch)(actor, repository, body, origin_of(scope))
    except AtriumError as error:
        headers = CHALLENGE if isinstance(error, NotAuthenticated) else {}
        if error.hub_code:
            headers = {**headers, "X-Error-Code": error.hub_code}
        await answer_json(send, error.status, {"message": error.message, "code": error.code}, headers)
        return
    await answer_json(send, 200, answered, {"Content-Type": MEDIA})


def _batch(actor: Principal, repository: Repository, body: dict[str, Any], origin: str) -> dict[str, Any]:
    operation = body.get("operation")
    if operation not in {"upload", "download"}:
        raise BadInput("operation must be 'upload' or 'download'.", code="bad_lfs_operation")
    if body.get("hash_algo", "sha256") != "sha256":
        raise BadInput("hash_algo must be 'sha256'.", code="bad_lfs_hash")
    transfers = body.get("transfers") or ["basic"]
    if not isinstance(transfers, list) or "basic" not in transfers:
        raise BadInput("This server offers the transfer 'basic'.", code="bad_lfs_transfer")
    objects = body.get("objects")
    if not isinstance(objects, list) or len(objects) > MAX_OBJECTS:
        raise BadInput(f"objects must be a list of at most {MAX_OBJECTS}.", code="bad_lfs_objects")
    if operation == "upload":
        require(actor, "repository.write", repository, sees="repository.read")
    held = blobs.possessed(repository, [str(item.get("oid")) for item in objects if isinstance(item, dict)])
    make = _offer_upload if operation == "upload" else _offer_download
    return {
        "transfer": "basic",
        "hash_algo": "sha256",
        "objects": [make(repository, item, held, origin) for item in objects],
    }


def _valid(item: Any) -> tuple[str, int] | None:
    if not isinstance(item, dict):
        return None
    oid, size = item.get("oid"), item.get("size")
    if not isinstance(oid, str) or not re.fullmatch(r"[0-9a-f]{64}", oid):
        return None
    return (oid, size) if isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= MAX_SIZE else None


def _refused(item: Any, status: int, message: str) -> dict[str, Any]:
    source = item if isinstance(item, dict) else {}
    size = source.get("size")
    return {
        "oid": str(source.get("oid", ""))[:64],
        "size": size if isinstance(size, int) else 0,
        "error": {"code": status, "message": message},
    }


def _offer_upload(repository: Repository, item: Any, held: dict[str, int], origin: str) -> dict[str, Any]:
    valid = _valid(item)
    if valid is None:
        return _refused(item, 422, f"oid must be a SHA-256 in hex, size between 0 and {MAX_SIZE}.")
    oid, size = valid
    if held.get(oid) == size:
        return {"oid": oid, "size": size}
    actions = {name: _action(origin, Transfer(name, str(repository.id), oid, size)) for name in ("upload", "verify")}
    return {"oid": oid, "size": size, "authenticated": True, "actions": actions}


def _offer_download(repository: Repository, item: Any, held: dict[str, int], origin: str) -> dict[str, Any]:
    valid = _valid(item)
    if valid is None or held.get(valid[0]) != valid[1]:
        return _refused(item, 404, "This repository holds no such object.")
    oid, size = valid
    action = _action(origin, Transfer("download", str(repository.id), oid, size))
    return {"oid": oid, "size": size, "authenticated": True, "actions": {"download": action}}


def _action(origin: str, transfer: Transfer) -> dict[str, Any]:
    return {"href": f"{origin}/lfs/{transfer.operation}/{sign_transfer(transfer)}", "expires_in": TRANSFER_SECONDS}


async def locks(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    """File locking is not offered; git-lfs takes a 404 for that and goes on."""
    await answer_json(send, 404, {"message": "File locking is not offered."}, {"Content-Type": MEDIA})


def _repository(transfer: Transfer) -> Repository:
    found = (
        Repository.objects.unscoped(reason="the address is signed").filter(id=uuid.UUID(transfer.repository)).first()
    )
    if found is None:
        raise NotFound("The repository is gone.", code="repository_gone")
    return found


async def upload(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    transfer = read_transfer(params["token"], "upload")
    repository = await sync_to_async(_repository)(transfer)
    target = blobs.Upload(repository.namespace_id, transfer.sha256, transfer.size)
    gathered = bytearray()
    try:
        async for piece in pieces(receive, limit=transfer.size + 1):
            gathered += piece
            if len(gathered) >= GATHER:
                await asyncio.to_thread(target.write, bytes(gathered))
                gathered.clear()
        await asyncio.to_thread(target.write, bytes(gathered))
        await asyncio.to_thread(target.complete)
    except BaseException:
        await asyncio.shield(asyncio.to_thread(target.abort))
        raise
    await sync_to_async(blobs.possess)(repository, sha256=transfer.sha256, size=transfer.size)
    await answer(send, 200, b"", "text/plain", {"ETag": f'"{transfer.sha256}"'})


async def download(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    transfer = read_transfer(params["token"], "download")
    repository = await sync_to_async(_repository)(transfer)
    span = span_of(headers_of(scope).get("range"), transfer.size)
    content = blobs.read(repository.namespace_id, transfer.sha256, start=span.first, length=span.length)
    headers = {
        "Content-Type": "application/octet-stream",
        "ETag": f'"{transfer.sha256}"',
        "X-Content-Type-Options": "nosniff",
    }
    await send_span(send, span, transfer.size, headers, None if scope["method"] == "HEAD" else content)


async def verify(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    transfer = read_transfer(params["token"], "verify")
    repository = await sync_to_async(_repository)(transfer)
    body = await json_of(receive, limit=MAX_BATCH)
    if (body.get("oid"), body.get("size")) != (transfer.sha256, transfer.size):
        raise Unprocessable("oid and size are not those of the upload.", code="lfs_verify_failed")
    held = await sync_to_async(blobs.possessed)(repository, [transfer.sha256])
    if held.get(transfer.sha256) != transfer.size:
        raise ObjectMissing("The object has not arrived; upload it again.")
    await answer_json(send, 200, {})
