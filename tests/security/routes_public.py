"""A public model of the same organisation: everybody reads it, and that is all that being public changes."""

from __future__ import annotations

from tests.security.routes_git import FLUSH, batch, body
from tests.security.routes_hub import commit
from tests.security.table import Table, json

WRITE = "401 403 403 ok ok"


def add_to(table: Table) -> None:
    git, hub, page = "/{ns}/{open}.git", "/api/models/{ns}/{open}", "/{ns}/{open}"
    for name, path in (
        ("git.info_refs", f"{git}/info/refs?service=git-upload-pack"),
        ("resolve", f"{page}/resolve/main/folder/a.txt"),
        ("hub-models-info", hub),
        ("hub-models-tree", f"{hub}/tree/main"),
        ("hub-models-xet-read", f"{hub}/xet-read-token/main"),
    ):
        table.add("GET", name, path, "ok", variant="public")
    for name, path in (
        ("page-model", page),
        ("page-model-tree", f"{page}/tree/main"),
        ("page-model-folder", f"{page}/tree/main/folder"),
        ("page-model-blob", f"{page}/blob/main/folder/a.txt"),
    ):
        table.add("GET", name, path, "ok", variant="public", session=True)
    table.add("POST", "lfs.batch", f"{git}/info/lfs/objects/batch", "ok", batch("download"), variant="public")

    table.add("GET", "git.info_refs", f"{git}/info/refs?service=git-receive-pack", WRITE, variant="public, push")
    table.add("POST", "git.receive_pack", f"{git}/git-receive-pack", WRITE, body(FLUSH), variant="public")
    table.add("POST", "lfs.batch", f"{git}/info/lfs/objects/batch", WRITE, batch("upload"), variant="public, upload")
    table.add("POST", "hub-models-commit", f"{hub}/commit/main", WRITE, commit, variant="public")
    table.add("POST", "hub-models-branch", f"{hub}/branch/{{new_name}}", WRITE, json(), variant="public")
    table.add("PUT", "hub-models-settings", f"{hub}/settings", WRITE, json(visibility="public"), variant="public")
    table.add("GET", "hub-models-xet-write", f"{hub}/xet-write-token/main", WRITE, variant="public")
    delete = json(name="{new_open_model}", organization="{ns}", type="model")
    table.add("DELETE", "hub-repo-delete", "/api/repos/delete", "401 403 403 403 ok", delete, variant="public")
