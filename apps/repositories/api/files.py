"""Trees, paths, refs and history over the hub API."""

from __future__ import annotations

from itertools import islice

from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.core.errors import BadInput
from apps.core.pagination import decode_cursor, encode_cursor, next_link, parse_limit
from apps.repositories.api.base import find, flag, hub_view, json_body, text_field
from apps.repositories.api.objects import commit_object, entry_object
from apps.repositories.commits import branch_create, branch_delete, tag_create, tag_delete
from apps.repositories.git.store import Entry, Store

TREE_PAGE = 1000
EXPANDED_PAGE = 100
MAX_PATHS = 10_000
COMMIT_PAGE = 50


def _linked(request: HttpRequest, shown: list[dict[str, object]], cursor: str | None) -> HttpResponse:
    response = JsonResponse(shown, safe=False)
    link = next_link(request, cursor)
    if link:
        response["Link"] = f'<{link}>; rel="next"'
    return response


@hub_view(GET="repository.read")
def tree(request: HttpRequest, type: str, namespace: str, name: str, revision: str, path: str = "") -> HttpResponse:
    _, repository = find(request, type, namespace, name)
    store = Store(repository.git_dir)
    # The first page pins the commit, so that a listing is of one state however the branch moves on.
    pinned, _, after = (
        decode_cursor(request.GET["cursor"]).partition("|") if request.GET.get("cursor") else ("", "", "")
    )
    commit = store.resolve(pinned or revision)
    if after and store.find(commit, after) is None:
        raise BadInput("The cursor is not one that this server gave out; start without it.", code="bad_cursor")
    expand = flag(request, "expand")
    maximum = EXPANDED_PAGE if expand else TREE_PAGE
    limit = parse_limit(request.GET.get("limit"), default=maximum, maximum=maximum)
    found = list(
        islice(store.tree(commit, path.strip("/"), recursive=flag(request, "recursive"), after=after), limit + 1)
    )
    cursor = encode_cursor(f"{commit}|{found[limit - 1].path}") if len(found) > limit else None
    return _linked(request, _shown(store, commit, found[:limit], expand=expand), cursor)


def _shown(store: Store, commit: str, entries: list[Entry], *, expand: bool) -> list[dict[str, object]]:
    last = store.last_commits(commit, [entry.path for entry in entries]) if expand and entries else {}
    return [entry_object(entry, last.get(entry.path)) for entry in entries]


@hub_view(POST="repository.read")
def paths_info(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    _, repository = find(request, type, namespace, name)
    if request.content_type == "application/json":
        body = json_body(request)
        paths, expand = body.get("paths", []), bool(body.get("expand"))
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise BadInput("paths must be a list of texts.", code="bad_field", field="paths")
    else:
        paths, expand = request.POST.getlist("paths"), request.POST.get("expand", "").lower() in {"1", "true"}
    if len(paths) > MAX_PATHS:
        raise BadInput(f"At most {MAX_PATHS} paths at a time.", code="too_many_paths", field="paths")
    store = Store(repository.git_dir)
    commit = store.resolve(revision)
    found = [
        store.find(commit, path.strip("/")) for path in dict.fromkeys(paths) if path.strip("/") and "\x00" not in path
    ]
    return JsonResponse(_shown(store, commit, [entry for entry in found if entry], expand=expand), safe=False)


@hub_view(GET="repository.read")
def refs(request: HttpRequest, type: str, namespace: str, name: str) -> HttpResponse:
    _, repository = find(request, type, namespace, name)
    store = Store(repository.git_dir)

    def under(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": commit} for ref, commit in store.refs(prefix)
        ]

    shown = {"branches": under("refs/heads/"), "converts": under("refs/convert/"), "tags": under("refs/tags/")}
    if flag(request, "include_prs"):
        shown["pullRequests"] = under("refs/pr/")
    return JsonResponse(shown)


@hub_view(GET="repository.read")
def commits(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    _, repository = find(request, type, namespace, name)
    store = Store(repository.git_dir)
    # The first page pins the commit: pages do not shift while the branch moves on.
    start, skip = store.resolve(revision), 0
    if request.GET.get("cursor"):
        start, _, skipped = decode_cursor(request.GET["cursor"]).partition("|")
        if not skipped.isascii() or not skipped.isdigit() or len(skipped) > 9:
            raise BadInput("The cursor is not one that this server gave out; start without it.", code="bad_cursor")
        start, skip = store.resolve(start), int(skipped)
    limit = parse_limit(request.GET.get("limit"), default=COMMIT_PAGE)
    found = store.history(start, skip=skip, limit=limit + 1)
    formatted = "formatted" in [*request.GET.getlist("expand"), *request.GET.getlist("expand[]")]
    cursor = encode_cursor(f"{start}|{skip + limit}") if len(found) > limit else None
    response = _linked(request, [commit_object(commit, formatted=formatted) for commit in found[:limit]], cursor)
    response["X-Total-Count"] = str(store.count(start))
    return response


@hub_view(POST="repository.write", DELETE="repository.write")
def branch(request: HttpRequest, type: str, namespace: str, name: str, branch: str) -> HttpResponse:
    actor, repository = find(request, type, namespace, name, "repository.write")
    if request.method == "DELETE":
        branch_delete(actor=actor, repository=repository, branch=branch)
    else:
        start = json_body(request).get("startingPoint")
        branch_create(actor=actor, repository=repository, branch=branch, start=str(start) if start else None)
    return JsonResponse({})


@hub_view(POST="repository.write", DELETE="repository.write")
def tag(request: HttpRequest, type: str, namespace: str, name: str, revision: str) -> HttpResponse:
    """POST names the revision in its address and the tag in its body; DELETE names the tag in its address."""
    actor, repository = find(request, type, namespace, name, "repository.write")
    if request.method == "DELETE":
        tag_delete(actor=actor, repository=repository, tag=revision)
        return JsonResponse({})
    body = json_body(request)
    message = text_field(body, "message", default="", maximum=100_000)
    tag_create(
        actor=actor, repository=repository, tag=text_field(body, "tag", maximum=300), revision=revision, message=message
    )
    return JsonResponse({})
