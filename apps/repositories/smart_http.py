"""Git over HTTP (gitprotocol-http): the git binary talks, this passes bytes both ways in constant memory.

Refs move only after `pre_receive.accept` has committed their intents, and the answer to a push ends only after it is recorded.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from asgiref.sync import sync_to_async

from apps.core.errors import AtriumError, BadInput, NotAuthenticated, TooLarge
from apps.core.http import ClientGone, answer_text_error, headers_of, pieces, query_of, start
from apps.core.principal import Principal
from apps.core.routes import Receive, Scope, Send, register_route
from apps.repositories import pre_receive
from apps.repositories.access import REPOSITORY, open_repository
from apps.repositories.git import hook_client
from apps.repositories.git.store import HOOKS
from apps.repositories.models import Repository
from apps.repositories.pushes import Underway, complete, underway

log = structlog.get_logger(__name__)
READ = 64 * 1024
MAX_REQUEST = {"git-upload-pack": 64 * 1024 * 1024, "git-receive-pack": 4 * 1024 * 1024 * 1024}
ACTIONS = {"git-upload-pack": "repository.read", "git-receive-pack": "repository.write"}
TIME_LIMIT = 3600
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Atrium", charset="UTF-8"'}
NO_CACHE = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}


def register() -> None:
    register_route(
        name="git.info_refs",
        pattern=REPOSITORY + r"(?:\.git)?/info/refs",
        methods={"GET"},
        action="repository.read",
        handler=info_refs,
    )
    for service, action in ACTIONS.items():
        register_route(
            name=service.replace("-", ".", 1).replace("-", "_"),
            pattern=REPOSITORY + rf"(?:\.git)?/(?P<service>{service})",
            methods={"POST"},
            action=action,
            handler=rpc,
        )


async def info_refs(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    service = query_of(scope).get("service", "")
    try:
        if service not in ACTIONS:
            raise BadInput("Use a git client of version 1.6.6 or later (smart HTTP).", code="dumb_http")
        _, repository = await open_repository(scope, params, ACTIONS[service])
    except AtriumError as error:
        await refuse(send, error)
        return
    environment = git_environment(scope)
    arguments = command(service, repository, "--advertise-refs")
    process = await asyncio.create_subprocess_exec(
        *arguments, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate()
    if not re.search(r"(^|:)version=2(:|$)", environment.get("GIT_PROTOCOL", "")) or service == "git-receive-pack":
        line = f"# service={service}\n"
        output = f"{len(line) + 4:04x}{line}0000".encode() + output
    await start(send, 200, {"Content-Type": f"application/x-{service}-advertisement", **NO_CACHE})
    await send({"type": "http.response.body", "body": output})


async def rpc(scope: Scope, receive: Receive, send: Send, params: dict[str, str]) -> None:
    service = params["service"]
    try:
        actor, repository = await open_repository(scope, params, ACTIONS[service])
    except AtriumError as error:
        await refuse(send, error)
        return
    body = inflated(scope, receive, limit=MAX_REQUEST[service])
    if service == "git-upload-pack":
        await converse(command(service, repository), git_environment(scope), body, send, service)
        return
    with underway() as push:
        async with push_socket(actor, repository, push) as extra:
            try:
                environment = git_environment(scope) | extra
                await converse(command(service, repository), environment, body, send, service, keep_open=(push.lock,))
            finally:
                # Shielded: the refs may have moved, and then the push is recorded even if the client has gone.
                await asyncio.shield(sync_to_async(complete)(actor, repository, push.id))
    await send({"type": "http.response.body", "body": b""})


async def refuse(send: Send, error: AtriumError) -> None:
    await answer_text_error(send, error, CHALLENGE if isinstance(error, NotAuthenticated) else None)


def command(service: str, repository: Repository, *options: str) -> list[str]:
    configuration = [f"core.hooksPath={HOOKS}", "safe.directory=*", "receive.fsckObjects=true", "gc.auto=0"]
    flags = [item for setting in configuration for item in ("-c", setting)]
    return ["git", *flags, service.removeprefix("git-"), "--stateless-rpc", *options, str(repository.git_dir)]


def git_environment(scope: Scope) -> dict[str, str]:
    """Nothing of ours but the path; the protocol version that the client asks for."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
    protocol = headers_of(scope).get("git-protocol", "")
    if re.fullmatch(r"[a-z0-9=:]{1,100}", protocol):
        environment["GIT_PROTOCOL"] = protocol
    return environment


async def inflated(scope: Scope, receive: Receive, *, limit: int) -> AsyncIterator[bytes]:
    """The request's body, unpacked where the client packed it; bounded after unpacking."""
    encoding = headers_of(scope).get("content-encoding", "identity")
    if encoding in {"identity", ""}:
        async for piece in pieces(receive, limit=limit):
            yield piece
        return
    if encoding not in {"gzip", "x-gzip"}:
        raise BadInput("Content-Encoding must be gzip or identity.", code="bad_encoding")
    unpacker, total = zlib.decompressobj(16 + zlib.MAX_WBITS), 0
    async for piece in pieces(receive, limit=limit):
        rest = piece
        while rest:
            try:
                out = unpacker.decompress(rest, READ)
            except zlib.error as error:
                raise BadInput("The gzip body is damaged.", code="bad_encoding") from error
            total += len(out)
            if total > limit:
                raise TooLarge(f"The body unpacks to more than {limit} bytes.")
            yield out
            rest = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise BadInput("The gzip body ends too early.", code="bad_encoding")


async def converse(
    arguments: list[str],
    environment: dict[str, str],
    body: AsyncIterator[bytes],
    send: Send,
    service: str,
    keep_open: tuple[int, ...] = (),
) -> None:
    """Feeds git and passes on what it says as it says it. The answer of a push is left open for its record.

    `keep_open` are descriptors that git inherits.
    """
    process = await asyncio.create_subprocess_exec(
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=READ,
        pass_fds=keep_open,
    )
    feeding = asyncio.create_task(feed(process, body))
    try:
        async with asyncio.timeout(TIME_LIMIT):
            assert process.stdout is not None
            first = await process.stdout.read(READ)
            if feeding.done() and feeding.exception() is not None and not first:
                await feeding
            await start(send, 200, {"Content-Type": f"application/x-{service}-result", **NO_CACHE})
            while first:
                await send({"type": "http.response.body", "body": first, "more_body": True})
                first = await process.stdout.read(READ)
            if service == "git-upload-pack":
                await send({"type": "http.response.body", "body": b""})
            await process.wait()
    finally:
        feeding.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await feeding
        if process.returncode is None:
            process.kill()
            await process.wait()


async def feed(process: asyncio.subprocess.Process, body: AsyncIterator[bytes]) -> None:
    """Writes the body into git's input, waiting where git is slower than the client."""
    assert process.stdin is not None
    try:
        async for piece in body:
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        pass  # git has said all it wants to say
    except (ClientGone, AtriumError):
        process.kill()
        raise


@asynccontextmanager
async def push_socket(actor: Principal, repository: Repository, push: Underway) -> AsyncIterator[dict[str, str]]:
    """A unix socket on which git's hooks speak of this one push. Short path: the length of a socket's name is limited."""
    folder = Path(tempfile.mkdtemp(prefix="atrium-"))

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = json.loads(await reader.readline())
        try:
            if question["stage"] == "before":
                await sync_to_async(pre_receive.accept)(
                    actor, repository, question["updates"], question["environment"], push.id
                )
            else:
                moved = {ref for _, _, ref in question["updates"]}
                await sync_to_async(complete)(actor, repository, push.id, moved=moved)
            verdict: dict[str, object] = {"ok": True}
        except AtriumError as error:
            verdict = {"ok": False, "message": pre_receive.verdict(error)}
        except Exception:
            log.exception("push.check_failed", repository=str(repository.id))
            verdict = {"ok": False, "message": "Atrium: the push could not be checked; try again. [internal]"}
        writer.write(json.dumps(verdict).encode() + b"\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_unix_server(ask, str(folder / "s"), limit=1024 * 1024)
    try:
        environment = {
            "ATRIUM_HOOK_SOCKET": str(folder / "s"),
            "ATRIUM_HOOK_PYTHON": sys.executable,
            "ATRIUM_HOOK_CLIENT": hook_client.__file__,
        }
        yield environment
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)
