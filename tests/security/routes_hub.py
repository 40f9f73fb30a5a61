"""The hub API, as stock clients ask it: with a token. The anonymous is asked to log in where he may see nothing."""

from __future__ import annotations

import json as jsonlib
from typing import Any

from tests.security.table import Table, json, nothing
from tests.security.world import World

READ = "401 404 ok ok ok"
# Of a repository that the owner made: members write their own only.
WRITE = "401 404 403 ok ok"
OWNERS = "401 404 403 403 ok"
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}


def commit(world: World, role: str) -> dict[str, Any]:
    lines: list[dict[str, Any]] = [
        {"key": "header", "value": {"summary": "Add a file"}},
        {"key": "file", "value": {"path": f"{world['new_name']}.txt", "content": "eA==", "encoding": "base64"}},
    ]
    body = "\n".join(jsonlib.dumps(line) for line in lines)
    return {"content": body.encode(), "headers": {"Content-Type": "application/x-ndjson"}}


def add_to(table: Table) -> None:
    table.add("GET", "hub-whoami", "/api/whoami-v2", "401 ok ok ok ok")
    table.add("POST", "hub-validate-yaml", "/api/validate-yaml", "ok", json(content="# A card", repoType="model"))
    # The organisation is visible to everybody, so a stranger is refused and not told that there is none.
    create = json(name="{new_name}", organization="{ns}", type="model")
    table.add("POST", "hub-repo-create", "/api/repos/create", "401 403 ok ok ok", create)
    delete = json(name="{new_model}", organization="{ns}", type="model")
    table.add("DELETE", "hub-repo-delete", "/api/repos/delete", OWNERS, delete)
    for kind, singular in KINDS.items():
        repositories(table, kind, singular)


def repositories(table: Table, kind: str, singular: str) -> None:
    base = f"/api/{kind}/{{ns}}/{{secret}}"

    def add(methods: str, name: str, path: str, outcomes: str, sends: Any = nothing) -> None:
        table.add(methods, f"hub-{kind}-{name}", f"{base}{path}", outcomes, sends, hidden="secret")

    table.add("GET", f"hub-{kind}", f"/api/{kind}?author={{ns}}", "ok")
    add("GET", "info", "", READ)
    add("GET", "revision", "/revision/main", READ)
    add("GET", "auth-check", "/auth-check", READ)
    add("GET", "auth-check-write", "/auth-check/write", WRITE)
    add("PUT", "settings", "/settings", WRITE, json(visibility="private"))
    add("GET", "tree", "/tree/main", READ)
    add("GET", "tree-path", "/tree/main/folder", READ)
    add("POST", "paths-info", "/paths-info/main", READ, json(paths=["README.md"]))
    add("GET", "refs", "/refs", READ)
    add("GET", "commits", "/commits/main", READ)
    add("POST", "branch", "/branch/{new_name}", WRITE, json())
    add("DELETE", "branch", f"/branch/{{new_{singular}_branch}}", WRITE)
    add("POST", "tag", "/tag/main", WRITE, json(tag="{new_name}"))
    add("DELETE", "tag", f"/tag/{{new_{singular}_tag}}", WRITE)
    add("POST", "preupload", "/preupload/main", WRITE, json(files=[]))
    add("POST", "commit", "/commit/main", WRITE, commit)
    add("GET", "xet-write", "/xet-write-token/main", WRITE)
    add("GET", "xet-read", "/xet-read-token/main", READ)
