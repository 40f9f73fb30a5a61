"""Repositories as somebody may see them."""

from __future__ import annotations

from django.db.models import Q

from apps.core.names import name_key
from apps.core.principal import Principal
from apps.orgs.policies import can
from apps.repositories.exceptions import RepoNotFound
from apps.repositories.git.store import Store
from apps.repositories.models import Repository, RepositoryQuerySet


def repository_find(*, actor: Principal, kind: str, namespace_name: str, name: str) -> Repository:
    """The repository of that name in any case. Raises RepoNotFound, the same for what is private and for what does not exist."""
    found = (
        Repository.objects.unscoped(reason="can() is asked below")
        .select_related("namespace")
        .filter(kind=kind, namespace__name_key=name_key(namespace_name), name_key=name_key(name))
        .first()
    )
    if found is None or not can(actor, "repository.read", found):
        raise RepoNotFound(f"Repository not found: {namespace_name[:96]}/{name[:96]}")
    return found


def revision_commit(repository: Repository, revision: str) -> str:
    """The commit that a revision names now. Raises RevisionNotFound."""
    return Store(repository.git_dir).resolve(revision)


def repository_list(
    actor: Principal,
    *,
    kind: str | None = None,
    author: str | None = None,
    search: str | None = None,
    tags: list[str] | None = None,
) -> RepositoryQuerySet:
    """Repositories that the actor may read, with their namespaces."""
    rows = Repository.objects.visible_to(actor).select_related("namespace")
    if kind:
        rows = rows.filter(kind=kind)
    if author:
        rows = rows.filter(namespace__name_key=name_key(author))
    for word in (search or "").split()[:10]:
        rows = rows.filter(Q(name_key__contains=name_key(word)) | Q(namespace__name_key__contains=name_key(word)))
    for tag in tags or []:
        rows = rows.filter(tags__contains=[tag])
    return rows
