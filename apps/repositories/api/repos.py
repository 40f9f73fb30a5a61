"""Repositories over the hub API: create, delete, settings, info, lists."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.accounts.middleware import principal
from apps.core.answers import hub_response
from apps.core.errors import BadInput, NotAuthenticated, NotSupported
from apps.core.pagination import decode_cursor, encode_cursor, next_link, parse_limit
from apps.orgs.scoping import namespace_named
from apps.orgs.selectors import personal_namespace
from apps.repositories.access import KINDS
from apps.repositories.api.base import find, flag, hub_view, json_body, origin, text_field
from apps.repositories.api.objects import FULL, LISTED, chosen, repository_object, sibling
from apps.repositories.exceptions import RepoExists
from apps.repositories.git.store import Store
from apps.repositories.models import Repository, RepositoryQuerySet
from apps.repositories.selectors import repository_find, repository_list
from apps.repositories.services import repository_create, repository_delete, repository_settings

SORTS = {
    "lastModified": "updated_at",
    "createdAt": "created_at",
    "downloads": "downloads",
    "likes": "id",
    "trendingScore": "id",
}
DEFAULT_PAGE = 100


def _visibility(body: dict[str, object]) -> str | None:
    """`visibility`, or the `private` of older clients; None leaves it to the namespace's default."""
    if body.get("visibility") is not None:
        return str(body["visibility"])
    if isinstance(body.get("private"), bool):
        return "private" if body["private"] else "public"
    return None


def _named(request: HttpRequest) -> tuple[dict[str, object], str, str, str]:
    """(body, kind, namespace, name) of create and delete; a name may carry its namespace."""
    body = json_body(request)
    name = text_field(body, "name", maximum=200)
    kind = text_field(body, "type", default="model", maximum=20)
    namespace, slash, short = name.partition("/")
    if not slash:
        short = name
        organisation = body.get("organization")
        namespace = (
            text_field(body, "organization", maximum=200)
            if organisation
            else personal_namespace(principal(request)).name
        )
    return body, kind, namespace, short


@hub_view(POST="repository.create")
def create(request: HttpRequest) -> HttpResponse:
    actor = principal(request)
    if not actor.is_authenticated:
        raise NotAuthenticated()
    body, kind, namespace, name = _named(request)
    try:
        repository = repository_create(
            actor=actor, namespace=namespace_named(namespace), kind=kind, name=name, visibility=_visibility(body)
        )
    except RepoExists as error:
        # Clients that said exist_ok read the address from the refusal.
        error.data = {"url": f"{origin(request)}/{_prefix(kind)}{error.data['name']}"}
        return hub_response(error)
    url = f"{origin(request)}/{repository.url_prefix}{repository.full_name}"
    return JsonResponse({"url": url, "name": repository.full_name, "id": repository.hub_id})


def _prefix(kind: str) -> str:
    return "" if kind == "model" else f"{kind}s/"


@hub_view(DELETE="repository.delete")
def delete(request: HttpRequest) -> HttpResponse:
    actor = principal(request)
    if not actor.is_authenticated:
        raise NotAuthenticated()
    _, kind, namespace, name = _named(request)
    if kind not in KINDS.values():
        raise BadInput("type must be 'model', 'dataset' or 'space'.", code="bad_repository_type", field="type")
    repository = repository_find(actor=actor, kind=kind, namespace_name=namespace, name=name)
    repository_delete(actor=actor, repository=repository)
    return JsonResponse({})


@hub_view(GET="repository.read")
def info(request: HttpRequest, type: str, namespace: str, name: str, revision: str = "main") -> HttpResponse:
    _, repository = find(request, type, namespace, name)
    store = Store(repository.git_dir)
    sha = store.resolve(revision)
    shown = repository_object(repository, sha=sha)
    expand = _expand(request)
    if not expand or "siblings" in expand:
        files = (entry for entry in store.tree(sha, recursive=True) if not entry.is_directory)
        shown["siblings"] = [sibling(entry, blobs=flag(request, "blobs")) for entry in files]
    if flag(request, "securityStatus"):
        shown["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
    return JsonResponse(chosen(shown, expand))


def _expand(request: HttpRequest) -> list[str]:
    return [*request.GET.getlist("expand"), *request.GET.getlist("expand[]")]


@hub_view(GET="repository.read")
def auth_check(request: HttpRequest, type: str, namespace: str, name: str) -> HttpResponse:
    find(request, type, namespace, name)
    return JsonResponse({})


@hub_view(GET="repository.write")
def auth_check_write(request: HttpRequest, type: str, namespace: str, name: str) -> HttpResponse:
    find(request, type, namespace, name, "repository.write")
    return JsonResponse({})


@hub_view(PUT="repository.settings")
def settings(request: HttpRequest, type: str, namespace: str, name: str) -> HttpResponse:
    actor, repository = find(request, type, namespace, name, "repository.settings")
    body = json_body(request)
    if body.get("gated"):
        raise NotSupported("This server does not offer gated repositories yet.", code="no_gating")
    visibility = _visibility(body)
    if visibility is not None:
        repository = repository_settings(actor=actor, repository=repository, visibility=visibility)
    return JsonResponse({"visibility": repository.visibility, "private": repository.visibility == "private"})


@hub_view(GET="repository.read")
def listing(request: HttpRequest, type: str) -> HttpResponse:
    actor = principal(request)
    get = request.GET
    tags = [tag for value in get.getlist("filter") for tag in value.split(",") if tag]
    rows = repository_list(actor, kind=KINDS[type], author=get.get("author"), search=get.get("search"), tags=tags)
    if get.get("pipeline_tag"):
        rows = rows.filter(pipeline_tag=get["pipeline_tag"])
    limit = parse_limit(get.get("limit"), default=DEFAULT_PAGE)
    field = SORTS.get(get.get("sort", "trendingScore"))
    if field is None:
        raise BadInput(f"sort must be one of {', '.join(sorted(SORTS))}.", code="bad_sort", field="sort")
    page, cursor = _page(rows, field, get.get("cursor"), limit)
    expand = _expand(request)
    keys = expand or (FULL if flag(request, "full") or flag(request, "cardData") else LISTED)
    shown = [chosen(repository_object(row, sha=row.head_sha), keys) for row in page]
    response = JsonResponse(shown, safe=False)
    link = next_link(request, cursor)
    if link:
        response["Link"] = f'<{link}>; rel="next"'
    return response


def _page(rows: RepositoryQuerySet, field: str, cursor: str | None, limit: int) -> tuple[list[Repository], str | None]:
    """A page by (field, id), highest first; a cursor names the last row's pair, so inserts shift nothing."""
    if cursor:
        value, _, last = decode_cursor(cursor).partition("|")
        try:
            last_id = uuid.UUID(last)
            bound: object = (
                int(value) if field == "downloads" else last_id if field == "id" else datetime.fromisoformat(value)
            )
        except ValueError as error:
            raise BadInput(
                "The cursor is not one that this server gave out; start without it.", code="bad_cursor"
            ) from error
        beyond = (
            Q(id__lt=last_id)
            if field == "id"
            else Q(**{f"{field}__lt": bound}) | Q(**{field: bound, "id__lt": last_id})
        )
        rows = rows.filter(beyond)
    found = list(rows.order_by(f"-{field}", "-id")[: limit + 1])
    if len(found) <= limit:
        return found, None
    last_row = found[limit - 1]
    value = getattr(last_row, field)
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return found[:limit], encode_cursor(f"{text}|{last_row.id}")
