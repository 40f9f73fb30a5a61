"""Secrets at rest can be read as long as their key is configured, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from apps.core.crypto import DecryptionFailed, decrypt, encrypt

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def test_what_is_encrypted_can_be_read_again() -> None:
    stored = encrypt("whsec_ü")
    assert "whsec" not in stored
    assert decrypt(stored) == "whsec_ü"
    assert encrypt("whsec_ü") != stored


def test_rotation_encrypts_with_the_first_key_and_reads_with_all(settings: Any) -> None:
    settings.ATRIUM_ENCRYPTION_KEYS = f"old:{OLD}"
    stored = encrypt("secret")
    settings.ATRIUM_ENCRYPTION_KEYS = f"new:{NEW}, old:{OLD}"
    assert decrypt(stored) == "secret"
    assert encrypt("secret").startswith("new:")
    settings.ATRIUM_ENCRYPTION_KEYS = f"new:{NEW}"
    with pytest.raises(DecryptionFailed, match="'old' is not configured"):
        decrypt(stored)


@pytest.mark.parametrize("value", ["", "old", "old:", "old:nonsense", "unknown:x"])
def test_what_was_not_encrypted_here_is_refused(settings: Any, value: str) -> None:
    settings.ATRIUM_ENCRYPTION_KEYS = f"old:{OLD}"
    with pytest.raises(DecryptionFailed):
        decrypt(value)


def test_a_key_id_does_not_stand_for_another_key(settings: Any) -> None:
    settings.ATRIUM_ENCRYPTION_KEYS = f"one:{OLD}"
    stored = encrypt("secret")
    settings.ATRIUM_ENCRYPTION_KEYS = f"one:{NEW}"
    with pytest.raises(DecryptionFailed, match="does not match"):
        decrypt(stored)


def test_an_altered_value_is_refused() -> None:
    stored = encrypt("secret")
    key_id, _, token = stored.partition(":")
    with pytest.raises(DecryptionFailed):
        decrypt(f"{key_id}:{token[:-4]}{'AAAA' if token[-4:] != 'AAAA' else 'BBBB'}")
