"""A repository's pages: the card, a folder, a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe

from apps.accounts.middleware import principal
from apps.dashboard import browse
from apps.dashboard.pages import page
from apps.repositories.cards import card_html
from apps.repositories.models import Repository
from apps.repositories.selectors import repository_find


def _find(request: HttpRequest, kind: str, ns: str, name: str) -> Repository:
    return repository_find(actor=principal(request), kind=kind, namespace_name=ns, name=name)


def _context(repository: Repository, revision: str) -> dict[str, Any]:
    return {
        "repository": repository,
        "base": f"/{repository.url_prefix}{repository.full_name}",
        "revision": revision,
    }


@page(GET="repository.read")
def repository(request: HttpRequest, kind: str, ns: str, name: str) -> HttpResponse:
    found = _find(request, kind, ns, name)
    seen = browse.overview(found)
    context = _context(found, browse.MAIN)
    resolve = f"{context['base']}/resolve/{browse.MAIN}/"
    context |= {
        "head": seen.head,
        "commit_count": seen.commits,
        # Sanitised by the function that made it.
        "card": mark_safe(card_html(seen.card, base=resolve)) if seen.card else "",  # noqa: S308
        "clone_url": request.build_absolute_uri(f"/{found.url_prefix}{found.full_name}"),
    }
    return render(request, "dashboard/repository.html", context)


@page(GET="repository.read")
def tree(request: HttpRequest, kind: str, ns: str, name: str, revision: str, path: str = "") -> HttpResponse:
    found = _find(request, kind, ns, name)
    folder = browse.folder(found, revision, path)
    context = _context(found, revision) | {
        "path": path,
        "crumbs": browse.crumbs(path),
        "revisions": browse.revisions(found),
        "commit": folder.commit if folder else "",
        "entries": folder.rows if folder else [],
        "more": folder is not None and folder.more,
        "is_empty": folder is None,
    }
    return render(request, "dashboard/tree.html", context)


@page(GET="repository.read")
def blob(request: HttpRequest, kind: str, ns: str, name: str, revision: str, path: str) -> HttpResponse:
    found = _find(request, kind, ns, name)
    file = browse.file(principal(request), found, revision, path)
    context = _context(found, revision) | {
        "path": path,
        "crumbs": browse.crumbs(path),
        "revisions": browse.revisions(found),
        "file": file,
        # At the commit that was looked at: the preview and the facts beside it are of the same bytes.
        "address": f"/{found.url_prefix}{found.full_name}/resolve/{file.commit}/{quote(path)}",
    }
    return render(request, "dashboard/blob.html", context)
