"""How repositories, entries and commits look to hub clients."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from apps.repositories.git.store import CommitInfo, Entry
from apps.repositories.models import Repository


def moment(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def entry_object(entry: Entry, last: CommitInfo | None = None) -> dict[str, Any]:
    """An entry of a tree; of a large file `size` is the real one and `oid` the pointer's."""
    shown: dict[str, Any] = {
        "type": "directory" if entry.is_directory else "file",
        "oid": entry.oid,
        "size": entry.size,
        "path": entry.path,
    }
    if entry.lfs:
        shown["lfs"] = {"oid": entry.lfs.sha256, "size": entry.lfs.size, "pointerSize": entry.pointer_size}
    if last:
        shown["lastCommit"] = {"id": last.oid, "title": last.title, "date": moment(last.date)}
    return shown


def sibling(entry: Entry, *, blobs: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"rfilename": entry.path}
    if blobs:
        shown |= {"size": entry.size, "blobId": entry.oid}
        if entry.lfs:
            shown["lfs"] = {"sha256": entry.lfs.sha256, "size": entry.lfs.size, "pointerSize": entry.pointer_size}
    return shown


def commit_object(commit: CommitInfo, *, formatted: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": moment(commit.date),
    }
    if formatted:
        shown["formatted"] = {"title": commit.title, "message": commit.message}
    return shown


def repository_object(repository: Repository, *, sha: str) -> dict[str, Any]:
    """Everything about a repository that needs no look into git."""
    shown: dict[str, Any] = {
        "_id": repository.hub_id,
        "id": repository.full_name,
        "author": repository.namespace.name,
        "sha": sha,
        "private": repository.visibility == "private",
        "gated": False,
        "disabled": False,
        "createdAt": moment(repository.created_at),
        "lastModified": moment(repository.updated_at),
        "downloads": repository.downloads,
        "downloadsAllTime": repository.downloads,
        "likes": 0,
        "tags": repository.tags,
        "cardData": repository.card,
        "trendingScore": 0,
    }
    if repository.kind == "model":
        shown |= {"modelId": repository.full_name, "config": {}, "spaces": [], "widgetData": []}
        if repository.pipeline_tag:
            shown["pipeline_tag"] = repository.pipeline_tag
        if repository.library_name:
            shown["library_name"] = repository.library_name
    if repository.kind == "dataset":
        shown |= {"description": "", "citation": None, "paperswithcode_id": None}
    if repository.kind == "space":
        shown |= {"sdk": repository.card.get("sdk"), "models": [], "datasets": []}
    return shown


# What a list shows of each repository unless more is asked for.
LISTED = frozenset(
    {
        "_id", "id", "modelId", "author", "private", "gated", "disabled", "createdAt", "lastModified", "downloads", "likes",
        "tags", "trendingScore", "pipeline_tag", "library_name", "description", "sdk",
    }
)  # fmt: skip
FULL = LISTED | {"sha", "cardData"}


def chosen(shown: dict[str, Any], expand: Iterable[str]) -> dict[str, Any]:
    """With `expand`, the id and what was asked for; unknown names are passed over, as old clients ask for what is gone."""
    wanted = set(expand)
    return {key: value for key, value in shown.items() if key in wanted | {"_id", "id"}} if wanted else shown
