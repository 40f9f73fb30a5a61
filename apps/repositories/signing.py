"""Signed addresses and store tokens: who holds one may do the one thing that it says, for a short while, and nothing else."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from django.core import signing

from apps.core.errors import Forbidden

TRANSFER_SECONDS = 3600
STORE_SECONDS = 3600
_TRANSFER = "atrium.transfer"
_STORE = "atrium.xet"


@dataclass(frozen=True)
class Transfer:
    """One large file that may go up to, come down from, or be verified in one repository."""

    operation: Literal["upload", "download", "verify"]
    repository: str
    sha256: str
    size: int


def sign_transfer(transfer: Transfer) -> str:
    return signing.dumps(asdict(transfer), salt=_TRANSFER)


def read_transfer(text: str, operation: str) -> Transfer:
    """Raises Forbidden, never a 401: git-lfs answers that by asking again without end."""
    try:
        transfer = Transfer(**signing.loads(text, salt=_TRANSFER, max_age=TRANSFER_SECONDS))
    except signing.SignatureExpired as error:
        raise Forbidden("This address has expired; ask for a new one.", code="address_expired") from error
    except signing.BadSignature as error:
        raise Forbidden("This address was not made by this server.", code="bad_address") from error
    if transfer.operation != operation:
        raise Forbidden(f"This address is for {transfer.operation}, not for {operation}.", code="bad_address")
    return transfer


def sign_store(repository_id: str, *, write: bool) -> str:
    """A bearer token for one repository's Xet store."""
    return signing.dumps({"repository": repository_id, "write": write}, salt=_STORE)


def read_store(text: str, repository_id: str) -> None:
    """Raises Forbidden unless the token lets its holder write to this repository's store."""
    try:
        claims = signing.loads(text, salt=_STORE, max_age=STORE_SECONDS)
    except signing.BadSignature as error:
        raise Forbidden("The store's token is not valid any more.", code="bad_store_token") from error
    if claims != {"repository": repository_id, "write": True}:
        raise Forbidden("The token is for another store, or may not write.", code="bad_store_token")
