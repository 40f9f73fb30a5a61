"""Secrets at rest: Fernet with key ids, so that keys can be rotated and an old value says which key it needs."""

from __future__ import annotations

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class DecryptionFailed(Exception):
    """The value was made with a key that is not configured, or it was altered."""


@lru_cache(maxsize=4)
def _keys(configured: str) -> dict[str, Fernet]:
    pairs = (item.split(":", 1) for item in configured.split(",") if item.strip())
    return {key_id.strip(): Fernet(key.strip()) for key_id, key in pairs}


def encrypt(plaintext: str) -> str:
    """`key id:token`, made with the first configured key."""
    key_id, fernet = next(iter(_keys(settings.ATRIUM_ENCRYPTION_KEYS).items()))
    return f"{key_id}:{fernet.encrypt(plaintext.encode()).decode()}"


def decrypt(value: str) -> str:
    """Raises DecryptionFailed for an unknown key id or an altered value."""
    key_id, _, token = value.partition(":")
    fernet = _keys(settings.ATRIUM_ENCRYPTION_KEYS).get(key_id)
    if fernet is None:
        raise DecryptionFailed(f"encryption key {key_id!r} is not configured")
    try:
        return fernet.decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise DecryptionFailed("the stored secret does not match its key") from error
