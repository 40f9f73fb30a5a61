"""The raw routes: git, LFS, downloads and the Xet store.

Git asks the anonymous to log in whether the repository exists or not; addresses that are signed carry their own right.
"""

from __future__ import annotations

import json
from typing import Any

from tests.security.table import Table

READ = "401 404 ok ok ok"
# Of a repository that the owner made: members write their own only.
WRITE = "401 404 403 ok ok"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of b"test"
FLUSH = b"0000"


def body(content: bytes) -> Any:
    return lambda world, role: {"content": content}


def batch(operation: str) -> Any:
    return body(json.dumps({"operation": operation, "objects": [{"oid": SHA256, "size": 4}]}).encode())


def add_to(table: Table) -> None:
    git = "/{ns}/{secret}.git"
    table.add("GET", "git.info_refs", f"{git}/info/refs?service=git-upload-pack", READ, hidden="secret")
    table.add(
        "GET", "git.info_refs", f"{git}/info/refs?service=git-receive-pack", WRITE, hidden="secret", variant="push"
    )
    table.add("POST", "git.upload_pack", f"{git}/git-upload-pack", READ, body(FLUSH), hidden="secret")
    table.add("POST", "git.receive_pack", f"{git}/git-receive-pack", WRITE, body(FLUSH), hidden="secret")
    table.add("GET", "resolve", "/{ns}/{secret}/resolve/main/folder/a.txt", READ, hidden="secret")

    table.add("POST", "lfs.batch", f"{git}/info/lfs/objects/batch", READ, batch("download"), hidden="secret")
    table.add(
        "POST", "lfs.batch", f"{git}/info/lfs/objects/batch", WRITE, batch("upload"), hidden="secret", variant="upload"
    )
    table.add("GET POST", "lfs.locks", f"{git}/info/lfs/locks", "404")
    # A signed address needs no log-in, and an address that nobody signed opens nothing to anybody; never 401.
    table.add("PUT", "lfs.upload", "/lfs/upload/bm90LXNpZ25lZA:x:y", "403", body(b"test"))
    table.add("GET", "lfs.download", "/lfs/download/bm90LXNpZ25lZA:x:y", "403")
    table.add("POST", "lfs.verify", "/lfs/verify/bm90LXNpZ25lZA:x:y", "403", body(b"{}"))

    # The store knows its own short-lived tokens only; a person's token opens nothing there.
    store = "/xet/{model_id}/v1"
    table.add("POST", "xet.xorb", f"{store}/xorbs/default/{SHA256}", "403", body(b""))
    table.add("POST", "xet.shard", f"{store}/shards", "403", body(b""))
    table.add("GET POST", "xet.not_offered", f"{store}/chunks/default/{SHA256}", "404")
    table.add("POST", "xet.telemetry", "/v1/telemetry", "404", body(b"{}"))
