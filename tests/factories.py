"""People, organisations, tokens and repositories for tests, made by the services that make them for everybody.

alice owns, carol maintains, bob is a member; charlie must see nothing.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.accounts.authentication import principal_of
from apps.accounts.models import AccessToken, User
from apps.accounts.services import token_create
from apps.core.principal import Narrowing, Principal, system
from apps.orgs.models import Membership, Namespace
from apps.orgs.services import membership_set, organisation_create, user_create
from apps.repositories.models import Repository

PASSWORD = "correct horse battery"


def make_user(username: str = "alice", *, password: str | None = None, **fields: Any) -> User:
    """A person with a personal namespace; without a password unless one is given, because hashing takes its time."""
    return user_create(actor=system(), username=username, email=f"{username}@example.org", password=password, **fields)


def personal(user: User) -> Namespace:
    """The person's own namespace."""
    return Namespace.objects.get(user=user)


def make_organisation(name: str = "acme", *, owner: User, **members: User) -> Namespace:
    """An organisation; `member=bob, maintainer=carol` gives roles to people."""
    namespace = organisation_create(actor=system(), owner=owner, name=name)
    for role, user in members.items():
        membership_set(actor=system(), namespace=namespace, user=user, role=role)
    return namespace


def role_of(user: User, namespace: Namespace) -> str | None:
    """The person's role, or None."""
    found = Membership.objects.filter(user=user, namespace=namespace).first()
    return found.role if found else None


def make_token(user: User, *, role: str = "write", name: str = "", **fields: Any) -> tuple[AccessToken, str]:
    """A personal token and its text."""
    return token_create(
        actor=principal_of(user),
        user=user,
        namespace_id=personal(user).id,
        name=name or f"token {uuid.uuid4().hex[:8]}",
        role=role,
        expires_at=fields.pop("expires_at", timezone.now() + timedelta(days=1)),
        **fields,
    )


def bearer(user: User, *, role: str = "write") -> dict[str, str]:
    """Keyword arguments for Django's test client: `client.get(path, headers=bearer(alice))`."""
    return {"Authorization": f"Bearer {make_token(user, role=role)[1]}"}


def narrowed(user: User, *, read: set[uuid.UUID] = frozenset(), write: set[uuid.UUID] = frozenset()) -> Principal:  # type: ignore[assignment]
    """The person as a job of his that may touch these repositories only."""
    who = principal_of(user)
    return Principal(
        kind=who.kind,
        user_id=who.user_id,
        username=who.username,
        narrowing=Narrowing(read=frozenset(read), write=frozenset(write)),
    )


def make_repository(
    namespace: Namespace, name: str = "clip", *, visibility: str = "private", created_by: User | None = None
) -> Repository:
    """The row alone, without git; for what is about rights."""
    repository = Repository(
        namespace=namespace,
        kind="model",
        name=name,
        name_key=name.casefold(),
        visibility=visibility,
        created_by=created_by,
    )
    repository.save(force_insert=True)
    return repository
