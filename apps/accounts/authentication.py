"""Who is asking: one function from headers and address to a Principal, for pages, DRF, git, LFS, downloads and the gateway."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from datetime import timedelta

from django.utils import timezone
from django_scopes import scopes_disabled

from apps.accounts import token_format
from apps.accounts.models import AccessToken, TokenRole, User
from apps.core.errors import NotAuthenticated
from apps.core.principal import Kind, Narrowing, Principal, anonymous

# A token's last use is written at most this often: it is for people, not for accounting.
LAST_USE_EVERY = timedelta(minutes=1)
# The exact words that huggingface_hub tells apart from a missing repository.
BAD_CREDENTIALS = "Invalid credentials in Authorization header"


def authenticate(headers: Mapping[str, str], address: str, *, request_id: str = "") -> Principal:
    """The principal of an `Authorization` header (Bearer token, or Basic with the token as password); anonymous without one.

    `headers` has lower-case names. Raises NotAuthenticated for a header whose token is malformed, unknown, expired or revoked, or whose
    owner is deactivated: bad credentials never quietly become anonymous.
    """
    user_agent = headers.get("user-agent", "")[:512]
    text = _token_text(headers.get("authorization", ""))
    if text is None:
        return anonymous(address=address, user_agent=user_agent, request_id=request_id)
    token = _find(text)
    _note_use(token)
    return principal_of(token.user, token=token, address=address, user_agent=user_agent, request_id=request_id)


def principal_of(
    user: User, *, token: AccessToken | None = None, address: str = "", user_agent: str = "", request_id: str = ""
) -> Principal:
    """A person (logged in by session), or a person's token."""
    return Principal(
        kind=Kind.USER,
        user_id=user.id,
        username=user.username,
        token_id=token.id if token else None,
        can_write=token is None or token.role == TokenRole.WRITE,
        narrowing=_narrowing(token),
        address=address,
        user_agent=user_agent,
        request_id=request_id,
        is_operator=user.is_superuser,
    )


def _token_text(header: str) -> str | None:
    """The token in the header, or None where no credentials were sent."""
    scheme, _, value = header.strip().partition(" ")
    value = value.strip()
    if not scheme:
        return None
    if scheme.lower() == "bearer":
        return value
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise NotAuthenticated(BAD_CREDENTIALS, code="bad_credentials") from error
        # git asks with empty credentials first when none are stored; some clients put the token in the user's place.
        return password or name or None
    raise NotAuthenticated(BAD_CREDENTIALS, code="bad_credentials")


def _find(text: str) -> AccessToken:
    if not token_format.is_well_formed(text):
        raise NotAuthenticated(BAD_CREDENTIALS, code="bad_credentials")
    with scopes_disabled():
        token = AccessToken.objects.select_related("user").filter(digest=token_format.digest(text)).first()
    if token is None or token.revoked_at is not None or not token.user.is_active:
        raise NotAuthenticated(BAD_CREDENTIALS, code="bad_credentials")
    if token.expires_at is not None and token.expires_at <= timezone.now():
        raise NotAuthenticated(BAD_CREDENTIALS, code="token_expired")
    return token


def _note_use(token: AccessToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USE_EVERY:
        with scopes_disabled():
            AccessToken.objects.filter(id=token.id).update(last_used_at=now)


def _narrowing(token: AccessToken | None) -> Narrowing | None:
    if token is None or token.narrowing is None:
        return None
    return Narrowing(
        read=frozenset(uuid.UUID(item) for item in token.narrowing["read"]),
        write=frozenset(uuid.UUID(item) for item in token.narrowing["write"]),
    )
