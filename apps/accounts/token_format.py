"""The text of an access token: `atr_<type>_` + 32 random base62 characters + CRC32 of all before it in 6 base62 characters.

The checksum lets scanners and clients tell a token from a look-alike without asking; the HMAC is what the database knows.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib

from django.conf import settings

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM_LENGTH = 32
CHECK_LENGTH = 6  # 62^6 > 2^32
TYPES = frozenset({"pat", "job"})
_FORM = re.compile(rf"atr_([a-z]+)_([0-9A-Za-z]{{{RANDOM_LENGTH}}})([0-9A-Za-z]{{{CHECK_LENGTH}}})")


def _checksum(text: str) -> str:
    number, characters = zlib.crc32(text.encode()), []
    for _ in range(CHECK_LENGTH):
        number, digit = divmod(number, 62)
        characters.append(BASE62[digit])
    return "".join(reversed(characters))


def generate(kind: str) -> str:
    """A new token of a type (`pat` for people, `job` for jobs), 190 bits of randomness."""
    if kind not in TYPES:
        raise ValueError(f"unknown token type {kind!r}")
    body = f"atr_{kind}_" + "".join(secrets.choice(BASE62) for _ in range(RANDOM_LENGTH))
    return body + _checksum(body)


def is_well_formed(text: str) -> bool:
    """True for what `generate` can have made; a false text never reaches the database."""
    match = _FORM.fullmatch(text)
    if match is None or match.group(1) not in TYPES:
        return False
    return hmac.compare_digest(_checksum(text[:-CHECK_LENGTH]), text[-CHECK_LENGTH:])


def visible_prefix(text: str) -> str:
    """What may be shown for recognition: type and the first four random characters."""
    return text[: len("atr_xxx_") + 4]


def pepper_id() -> str:
    """Names the pepper without telling it, so that a rotated pepper can be recognised in stored rows."""
    return hashlib.sha256(b"pepper-id:" + settings.ATRIUM_TOKEN_PEPPER.encode()).hexdigest()[:8]


def digest(text: str) -> str:
    """HMAC-SHA256 under the pepper, in hex: a stolen table alone does not help to guess tokens."""
    return hmac.new(settings.ATRIUM_TOKEN_PEPPER.encode(), text.encode(), hashlib.sha256).hexdigest()
