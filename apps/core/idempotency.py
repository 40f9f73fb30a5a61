"""Idempotency keys: a creating request that is repeated creates nothing twice; the same key with another body is refused."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any

from django.db import IntegrityError, transaction

from apps.core.changes import canonical
from apps.core.errors import BadInput, Conflict
from apps.core.models import IdempotencyKey

MAX_KEY = 255


def body_digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(body)).hexdigest()


def checked_key(raw: str | None) -> str | None:
    """The `Idempotency-Key` header, or None; raises BadInput for one that is too long or not printable ASCII."""
    if not raw:
        return None
    if len(raw) > MAX_KEY or not raw.isascii() or not raw.isprintable():
        raise BadInput(
            f"Idempotency-Key must be at most {MAX_KEY} printable ASCII characters.", code="bad_idempotency_key"
        )
    return raw


def earlier(*, namespace_id: uuid.UUID, operation: str, key: str, digest: str) -> uuid.UUID | None:
    """What an earlier request with this key created, or None. Raises Conflict when that request had another body."""
    row = IdempotencyKey.objects.filter(namespace_id=namespace_id, operation=operation, key=key).first()
    if row is None:
        return None
    if row.body_sha256 != digest:
        raise Conflict(
            "This Idempotency-Key was used with another request; choose a new one.", code="idempotency_key_reused"
        )
    return row.target_id


def remember(*, namespace_id: uuid.UUID, operation: str, key: str, digest: str, target_id: uuid.UUID) -> None:
    """Keeps the key, inside the transaction that creates its target. Raises Conflict when a twin request was faster."""
    try:
        with transaction.atomic():
            IdempotencyKey.objects.create(
                namespace_id=namespace_id, operation=operation, key=key, body_sha256=digest, target_id=target_id
            )
    except IntegrityError as error:
        raise Conflict(
            "A request with this Idempotency-Key is being carried out; repeat it to get its answer.",
            code="idempotency_key_in_flight",
        ) from error
