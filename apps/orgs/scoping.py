"""Which tenant a request is about: the namespace named in the address opens the scope of fail-closed models, never "the caller's".

Not covered: `refresh_from_db`, raw SQL and related managers of unscoped models; services take care of those by id.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django_scopes import scope

from apps.core.errors import NotFound
from apps.core.names import name_key
from apps.core.principal import Principal
from apps.orgs.models import Namespace
from apps.orgs.policies import can


@contextmanager
def within(namespace_id: uuid.UUID) -> Iterator[None]:
    """Opens fail-closed models to one namespace."""
    with scope(namespace=namespace_id):
        yield


def namespace_named(name: str) -> Namespace:
    """The namespace of that name in any case; raises NotFound."""
    # PostgreSQL knows no NUL, so nothing is named with one.
    found = None if "\x00" in name else Namespace.objects.filter(name_key=name_key(name)).first()
    if found is None:
        raise NotFound(f"There is no user or organisation named {name[:96]!r}.", code="namespace_not_found")
    return found


class NamespaceResource:
    """A namespace as a thing that `can()` is asked about."""

    def __init__(self, namespace: Namespace) -> None:
        self.id = namespace.id
        self.namespace_id = namespace.id
        self.created_by_id = namespace.user_id


def allowed(actor: Principal, action: str, namespace: Namespace) -> bool:
    return can(actor, action, NamespaceResource(namespace))
