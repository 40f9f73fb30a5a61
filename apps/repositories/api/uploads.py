"""Writing over the hub API: what goes where (preupload), commits as NDJSON, cards checked, tokens for the Xet store."""

from __future__ import annotations

import base64
import binascii
import json
import re
import time
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.core.errors import BadInput, NotSupported
from apps.core.text import require_storable
from apps.repositories import blobs
from apps.repositories.api.base import find, flag, hub_view, json_body, origin, text_field
from apps.repositories.api.patterns import ignored_by, large_by_attributes
from apps.repositories.cards import BadCard, parse
from apps.repositories.commits import MAX_OPERATIONS, MAX_PLAIN_BYTES, commit_create
from apps.repositories.exceptions import ObjectMissing
from apps.repositories.git.paths import check_path
from apps.repositories.git.pointers import Pointer
from apps.repositories.git.store import Store
from apps.repositories.git.trees import AddFile, AddLarge, DeleteFile, DeleteFolder, Operation
from apps.repositories.models import Repository
from apps.repositories.signing import STORE_SECONDS, sign_store

MAX_PREUPLOAD = 1000
MAX_ATTRIBUTES = 256 * 1024


@hub_view(POST="open")
def validate_yaml(request: HttpRequest) -> HttpResponse:
    content = text_field(json_body(request), "content", default="", maximum=4 * 1024 * 1024)
    try:
        parse(content)
    except BadCard as error:
        return JsonResponse({"errors": [{"message": error.message}], "warnings": []}, status=400)
    return JsonResponse({"errors": [], "warnings": []})


def _no_pull_requests(request: HttpRequest) -> None:
    if flag(request, "create_pr"):
        raise NotSupported("This server does not offer pull requests yet; commit to a branch.", code="no_pull_requests")


@hub_view(POST="repository.write")
def preupload(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    _, repository = find(request, type, namespace, name, "repository.write")
    _no_pull_requests(request)
    body = json_body(request)
    files = body.get("files")
    if not isinstance(files, list) or len(files) > MAX_PREUPLOAD:
        raise BadInput(f"files must be a list of at most {MAX_PREUPLOAD}.", code="bad_field", field="files")
    store = Store(repository.git_dir)
    commit = store.resolve(revision)
    is_large = large_by_attributes(store.read_text(commit, ".gitattributes", limit=MAX_ATTRIBUTES) or "")
    is_ignored = ignored_by(text_field(body, "gitIgnore", default="", maximum=MAX_ATTRIBUTES))
    return JsonResponse(
        {"files": [_mode(store, commit, file, is_large, is_ignored) for file in files], "commitOid": commit}
    )


def _mode(store: Store, commit: str, file: Any, is_large: Any, is_ignored: Any) -> dict[str, Any]:
    if not isinstance(file, dict) or not isinstance(file.get("path"), str):
        raise BadInput("Each file needs a path.", code="bad_field", field="files")
    path, size = check_path(file["path"]), file.get("size", 0)
    if not isinstance(size, int) or size < 0:
        raise BadInput("size must be a number of bytes.", code="bad_field", field="files.size")
    large = size > 0 and (
        is_large(path) or size > MAX_PLAIN_BYTES or _binary(_base64(file.get("sample") or "", "sample"))
    )
    entry = store.find(commit, path)
    shown: dict[str, Any] = {
        "path": path,
        "uploadMode": "lfs" if large else "regular",
        "shouldIgnore": is_ignored(path),
    }
    if entry is not None and not entry.is_directory:
        shown["oid"] = entry.lfs.sha256 if entry.lfs else entry.oid
    return shown


def _binary(sample: bytes) -> bool:
    """Not text: a NUL, or bytes that are not UTF-8 (the sample may end within a character)."""
    if b"\x00" in sample:
        return True
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.start < len(sample) - 3
    return False


def _base64(text: Any, field: str) -> bytes:
    if not isinstance(text, str):
        raise BadInput(f"{field} must be base64.", code="bad_base64", field=field)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput(f"{field} is not base64: {error}", code="bad_base64", field=field) from error


@hub_view(POST="repository.write")
def commit(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    actor, repository = find(request, type, namespace, name, "repository.write")
    _no_pull_requests(request)
    header, operations = _parse(repository, request.body)
    parent = header.get("parentCommit")
    if parent is not None and (not isinstance(parent, str) or not re.fullmatch(r"[0-9a-f]{7,40}", parent)):
        raise BadInput(
            "parentCommit must be a commit id of 7 to 40 hex digits.", code="bad_field", field="parentCommit"
        )
    done = commit_create(
        actor=actor,
        repository=repository,
        branch=revision,
        operations=operations,
        summary=text_field(header, "summary", default="", maximum=10_000),
        description=text_field(header, "description", default="", maximum=100_000),
        parent_commit=parent,
    )
    url = f"{origin(request)}/{repository.url_prefix}{repository.full_name}/commit/{done.oid}"
    return JsonResponse({"success": True, "commitOid": done.oid, "commitUrl": url, "hookOutput": ""})


def _parse(repository: Repository, body: bytes) -> tuple[dict[str, Any], list[Operation]]:
    """The header and the operations of an NDJSON body. Raises BadInput naming the line."""
    header: dict[str, Any] | None = None
    operations: list[Operation] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            key, value = item["key"], item["value"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadInput(
                f'Line {number} is not an object {{"key", "value"}} in JSON.', code="bad_ndjson", line=number
            ) from error
        if not isinstance(value, dict):
            raise BadInput(f"Line {number}: value must be an object.", code="bad_ndjson", line=number)
        # The content is base64, and is checked as such.
        require_storable({name: item for name, item in value.items() if name != "content"}, field=f"line {number}")
        if key == "header":
            header = value
        else:
            operations.append(_operation(repository, key, value, number))
        if len(operations) > MAX_OPERATIONS:
            raise BadInput(f"A commit has at most {MAX_OPERATIONS} operations.", code="too_many_operations")
    if header is None:
        raise BadInput("A commit begins with a header line.", code="bad_ndjson")
    return header, operations


def _operation(repository: Repository, key: Any, value: dict[str, Any], number: int) -> Operation:
    path = text_field(value, "path", maximum=10_000)
    match key:
        case "file":
            if value.get("encoding", "base64") != "base64":
                raise BadInput(f"Line {number}: encoding must be 'base64'.", code="bad_ndjson", line=number)
            return AddFile(path, _base64(value.get("content"), "content"))
        case "lfsFile":
            return AddLarge(path, _pointer(repository, value, number))
        case "deletedFile":
            return DeleteFile(path)
        case "deletedFolder":
            return DeleteFolder(path)
    raise BadInput(f"Line {number}: unknown key {str(key)[:40]!r}.", code="bad_ndjson", line=number)


def _pointer(repository: Repository, value: dict[str, Any], number: int) -> Pointer:
    oid, size = value.get("oid"), value.get("size")
    if value.get("algo", "sha256") != "sha256" or not isinstance(oid, str) or not re.fullmatch(r"[0-9a-f]{64}", oid):
        raise BadInput(f"Line {number}: oid must be a SHA-256 in hex.", code="bad_ndjson", line=number)
    if size is None:  # clients leave it out when they copy what is there
        size = blobs.possessed(repository, [oid]).get(oid)
        if size is None:
            raise ObjectMissing(
                f"The large file {oid} was never uploaded here; upload it first.", paths=[value.get("path")]
            )
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadInput(f"Line {number}: size must be a number of bytes.", code="bad_ndjson", line=number)
    return Pointer(oid, size)


@hub_view(GET="repository.write")
def xet_write_token(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    _, repository = find(request, type, namespace, name, "repository.write")
    _no_pull_requests(request)
    return _xet_token(request, repository, write=True)


@hub_view(GET="repository.read")
def xet_read_token(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    _, repository = find(request, type, namespace, name)
    return _xet_token(request, repository, write=False)


def _xet_token(request: HttpRequest, repository: Repository, *, write: bool) -> HttpResponse:
    """The same three facts in the body, for the Rust half of the client, and in headers, for the Python half."""
    token = sign_store(str(repository.id), write=write)
    expires = int(time.time()) + STORE_SECONDS
    address = f"{origin(request)}/xet/{repository.id}"
    response = JsonResponse({"accessToken": token, "exp": expires, "casUrl": address})
    response["X-Xet-Access-Token"] = token
    response["X-Xet-Token-Expiration"] = str(expires)
    response["X-Xet-Cas-Url"] = address
    return response
