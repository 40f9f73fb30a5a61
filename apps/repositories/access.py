"""Who may do what over the raw routes: authentication, the repository, and the refusals in the words of each protocol."""

from __future__ import annotations

from urllib.parse import unquote

from asgiref.sync import sync_to_async

from apps.accounts.authentication import authenticate
from apps.core.errors import NotAuthenticated
from apps.core.http import address_of, headers_of
from apps.core.principal import Principal
from apps.core.routes import Scope
from apps.orgs.policies import require
from apps.repositories.exceptions import RepoNotFound
from apps.repositories.models import Repository
from apps.repositories.selectors import repository_find

KINDS = {"": "model", "models": "model", "datasets": "dataset", "spaces": "space"}
# The beginning of every raw route of a repository.
REPOSITORY = r"/(?!(?:api|xet)/)(?:(?P<type>datasets|spaces)/)?(?P<namespace>[^/]+)/(?P<name>[^/]+?)"


class LoginFirst(NotAuthenticated):
    """What the anonymous may not see looks like what does not exist; the client is asked to log in."""

    hub_code = "RepoNotFound"


async def open_repository(scope: Scope, params: dict[str, str], action: str) -> tuple[Principal, Repository]:
    """The caller and the repository that he may do the action to. Raises LoginFirst, RepoNotFound, Forbidden, NotAuthenticated."""
    return await sync_to_async(_open)(scope, params, action)


def _open(scope: Scope, params: dict[str, str], action: str) -> tuple[Principal, Repository]:
    request_id = scope["atrium"]["request_id"]
    actor = authenticate(headers_of(scope), address_of(scope), request_id=request_id)
    try:
        repository = repository_find(
            actor=actor,
            kind=KINDS[params.get("type", "")],
            namespace_name=unquote(params["namespace"]),
            name=unquote(params["name"]),
        )
    except RepoNotFound as error:
        if not actor.is_authenticated:
            raise LoginFirst(error.message) from error
        raise
    require(actor, action, repository, sees="repository.read")
    return actor, repository
