"""Bootstrap files: users, organisations and tokens that must exist. Applying one twice changes nothing but tokens that no longer verify."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from django.utils import timezone
from django_scopes import scope, scopes_disabled
from pydantic import BaseModel, ConfigDict, Field

from apps.accounts import token_format
from apps.accounts.models import AccessToken, User
from apps.accounts.services import token_create, token_revoke
from apps.core.names import name_key
from apps.core.principal import Principal, system
from apps.orgs.models import Namespace
from apps.orgs.services import membership_set, organisation_create, user_create


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UserEntry(_Strict):
    username: str
    full_name: str = ""
    email: str = ""
    password: str
    operator: bool = False


class MemberEntry(_Strict):
    username: str
    role: Literal["owner", "maintainer", "member"]


class OrganisationEntry(_Strict):
    name: str
    full_name: str = ""
    default_visibility: Literal["public", "private"] = "public"
    members: list[MemberEntry] = Field(min_length=1)


class TokenEntry(_Strict):
    owner: str
    name: str
    role: Literal["read", "write"]


class BootstrapFile(_Strict):
    users: list[UserEntry] = []
    organisations: list[OrganisationEntry] = []
    tokens: list[TokenEntry] = []


def apply(wanted: BootstrapFile, out: Path) -> dict[str, list[dict[str, str]]]:
    """Creates what is missing and writes the out file (0600). Returns what it wrote.

    Tokens are stored hashed, so the texts of an earlier run are read from the out file: those that still verify are kept, the others
    are revoked and made anew.
    """
    actor = system("bootstrap")
    for user in wanted.users:
        if not User.objects.filter(username__iexact=user.username).exists():
            user_create(
                actor=actor,
                username=user.username,
                email=user.email,
                password=user.password,
                full_name=user.full_name,
                is_operator=user.operator,
            )
    for organisation in wanted.organisations:
        _organisation(actor, organisation)
    known = _earlier(out)
    tokens = [_token(actor, entry, known.get((entry.owner, entry.name))) for entry in wanted.tokens]
    result = {"tokens": tokens}
    _write_private(out, json.dumps(result, indent=2) + "\n")
    return result


def _organisation(actor: Principal, entry: OrganisationEntry) -> None:
    people = {member.username: User.objects.get(username__iexact=member.username) for member in entry.members}
    namespace = Namespace.objects.filter(name_key=name_key(entry.name)).first()
    if namespace is None:
        first = next((m for m in entry.members if m.role == "owner"), entry.members[0])
        namespace = organisation_create(
            actor=actor,
            owner=people[first.username],
            name=entry.name,
            full_name=entry.full_name,
            default_visibility=entry.default_visibility,
        )
    # Owners first: an organisation never passes through a state without one.
    for member in sorted(entry.members, key=lambda m: m.role != "owner"):
        membership_set(actor=actor, namespace=namespace, user=people[member.username], role=member.role)


def _token(actor: Principal, entry: TokenEntry, text: str | None) -> dict[str, str]:
    owner = User.objects.get(username__iexact=entry.owner)
    with scopes_disabled():
        living = AccessToken.objects.filter(
            user=owner, name=entry.name, job_id__isnull=True, revoked_at__isnull=True
        ).first()
    if living is not None and text is not None and _verifies(living, text, entry.role):
        return {"owner": entry.owner, "name": entry.name, "token": text}
    if living is not None:
        token_revoke(actor=actor, token=living)
    namespace = Namespace.objects.get(user=owner)
    with scope(namespace=namespace.id):
        _, text = token_create(
            actor=actor, user=owner, namespace_id=namespace.id, name=entry.name, role=entry.role, expires_at=None
        )
    return {"owner": entry.owner, "name": entry.name, "token": text}


def _verifies(token: AccessToken, text: str, role: str) -> bool:
    alive = token.expires_at is None or token.expires_at > timezone.now()
    return alive and token.role == role and token.digest == token_format.digest(text)


def _earlier(out: Path) -> dict[tuple[str, str], str]:
    try:
        rows = json.loads(out.read_text())["tokens"]
        return {(row["owner"], row["name"]): row["token"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
