"""Access tokens are made, revoked and expire here; each act is audited in the owner's personal namespace."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError
from django.utils import timezone
from django_scopes import scope, scopes_disabled

from apps.accounts import token_format
from apps.accounts.models import AccessToken, TokenRole, User
from apps.core.changes import change
from apps.core.errors import BadInput, Conflict, Forbidden, NotFound
from apps.core.ids import SYSTEM_NAMESPACE_ID
from apps.core.principal import Narrowing, Principal

DEFAULT_LIFETIME = timedelta(days=90)
MAX_TOKENS = 200


def token_create(
    *,
    actor: Principal,
    user: User,
    namespace_id: uuid.UUID,
    name: str,
    role: str,
    expires_at: datetime | None,
) -> tuple[AccessToken, str]:
    """A new personal token and its text, which is never shown again. Raises BadInput, Conflict (name in use), Forbidden."""
    _require_self(actor, user)
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise BadInput("name must have 1 to 100 printable characters.", code="bad_token_name", field="name")
    if role not in TokenRole.values:
        raise BadInput("role must be 'read' or 'write'.", code="bad_token_role", field="role")
    if expires_at is not None and expires_at <= timezone.now():
        raise BadInput("expires_at must lie in the future.", code="bad_expiry", field="expires_at")
    text = token_format.generate("pat")
    with scope(namespace=namespace_id):
        if AccessToken.objects.filter(user=user, job_id__isnull=True, revoked_at__isnull=True).count() >= MAX_TOKENS:
            raise Conflict(f"An account has at most {MAX_TOKENS} tokens; revoke one first.", code="too_many_tokens")
        try:
            with change(actor=actor, action="token.create", namespace_id=namespace_id) as act:
                token = _insert(text, user=user, namespace_id=namespace_id, name=name, role=role, expires_at=expires_at)
                act.target("token", token.id, name)
                act.note(role=role, prefix=token.prefix)
        except IntegrityError as error:
            raise Conflict(
                f"There is a token named {name!r} already.", code="token_name_taken", field="name"
            ) from error
    return token, text


def token_revoke(*, actor: Principal, token: AccessToken) -> None:
    """Revokes a token at once; a second time changes nothing."""
    _require_self(actor, token.user)
    with scopes_disabled(), change(actor=actor, action="token.revoke", namespace_id=token.namespace_id) as act:
        revoked = AccessToken.objects.filter(id=token.id, revoked_at__isnull=True).update(revoked_at=timezone.now())
        act.target("token", token.id, token.name)
        act.note(already_revoked=not revoked)


def leaked_tokens_revoke(*, actor: Principal, texts: list[str]) -> int:
    """Revokes whatever tokens are handed in, by whoever found them: holding the text is proof enough. Returns how many were alive."""
    count = 0
    for text in texts:
        if not token_format.is_well_formed(text):
            continue
        with scopes_disabled():
            token = AccessToken.objects.filter(digest=token_format.digest(text), revoked_at__isnull=True).first()
            if token is None:
                continue
            with change(actor=actor, action="token.revoke_leaked", namespace_id=token.namespace_id) as act:
                count += AccessToken.objects.filter(id=token.id, revoked_at__isnull=True).update(
                    revoked_at=timezone.now()
                )
                act.target("token", token.id, token.name)
    return count


def job_token_issue(
    *, user: User, namespace_id: uuid.UUID, job_id: uuid.UUID, narrowing: Narrowing, lifetime: timedelta
) -> str:
    """A short-lived token for one job, limited to the repositories that the job names. Not audited: the job's own events say it."""
    text = token_format.generate("job")
    with scope(namespace=namespace_id):
        _insert(
            text,
            user=user,
            namespace_id=namespace_id,
            name=f"job {job_id}",
            role=TokenRole.WRITE,
            expires_at=timezone.now() + lifetime,
            job_id=job_id,
            narrowing={"read": sorted(map(str, narrowing.read)), "write": sorted(map(str, narrowing.write))},
        )
    return text


def job_tokens_revoke(*, namespace_id: uuid.UUID, job_id: uuid.UUID) -> None:
    """Ends every token of a job that has ended."""
    with scope(namespace=namespace_id):
        AccessToken.objects.filter(job_id=job_id, revoked_at__isnull=True).update(revoked_at=timezone.now())


def token_of(*, actor: Principal, token_id: uuid.UUID) -> AccessToken:
    """The caller's own token, or NotFound."""
    with scopes_disabled():
        token = (
            AccessToken.objects.select_related("user")
            .filter(id=token_id, user_id=actor.person_id, job_id__isnull=True)
            .first()
        )
    if token is None:
        raise NotFound("You have no such token.", code="token_not_found")
    return token


def _require_self(actor: Principal, user: User) -> None:
    if actor.kind.value == "system":
        return
    if actor.user_id != user.id or not actor.can_write or actor.narrowing is not None:
        raise Forbidden("Tokens are managed by their owner, with a session or a write token.", code="forbidden")


def _insert(text: str, **fields: object) -> AccessToken:
    token = AccessToken(
        prefix=token_format.visible_prefix(text),
        digest=token_format.digest(text),
        pepper_id=token_format.pepper_id(),
        **fields,
    )
    token.save(force_insert=True)
    return token


def record_failed_login(*, actor: Principal, username: str) -> None:
    """A failed log-in, in the chain of what belongs to no tenant."""
    with change(actor=actor, action="login.fail", namespace_id=SYSTEM_NAMESPACE_ID) as act:
        act.note(username=username[:96])
