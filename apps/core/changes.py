"""One change, one transaction: the rows, exactly one registered audit event and its outbox event commit together or not at all.

    with change(actor=actor, action="repository.create", namespace_id=namespace.id) as act:
        repository = Repository.objects.create(…)
        act.target("repository", repository.id, repository.full_name)

Celery hears of the outbox event after COMMIT; a lost message costs nothing, because the sweep finds the row.
"""

from __future__ import annotations

import json
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.core import events
from apps.core.ids import new_id
from apps.core.models import AuditEvent, OutboxEvent
from apps.core.principal import Principal

MAX_METADATA_KEYS = 50


@dataclass
class Act:
    """What a change is about; filled in while its rows are written."""

    id: uuid.UUID = field(default_factory=new_id)
    targets: list[dict[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)

    def target(self, kind: str, id: uuid.UUID, name: str) -> None:
        """Names are copied: the audit row must still be readable when the thing is gone."""
        self.targets.append({"type": kind, "id": str(id), "name": name})

    def note(self, **metadata: Any) -> None:
        """Facts for the audit row. Never secrets."""
        self.metadata.update(metadata)

    def emit(self, **payload: Any) -> None:
        """Fields of the outbox event beyond the targets; what webhooks will say."""
        self.payload.update(payload)


def canonical(value: dict[str, Any]) -> bytes:
    """JSON with sorted keys, no spaces, NFC text: the same facts are the same bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return unicodedata.normalize("NFC", text).encode()


@contextmanager
def change(*, actor: Principal, action: str, namespace_id: uuid.UUID) -> Iterator[Act]:
    """Opens the transaction of one change. Raises LookupError for an action that nobody registered."""
    events.actions[action]
    act = Act()
    with transaction.atomic():
        yield act
        _record(act, actor=actor, action=action, namespace_id=namespace_id)


def _record(act: Act, *, actor: Principal, action: str, namespace_id: uuid.UUID) -> None:
    if len(act.metadata) > MAX_METADATA_KEYS:
        raise ValueError(f"an audit event holds at most {MAX_METADATA_KEYS} facts")
    now = timezone.now()
    body = canonical(
        {
            "id": str(act.id),
            "namespace_id": str(namespace_id),
            "action": action,
            "actor": actor.as_json(),
            "targets": act.targets,
            "metadata": act.metadata,
            "request_id": actor.request_id,
            "address": actor.address,
            "user_agent": actor.user_agent[:256],
            "time": now.isoformat().replace("+00:00", "Z"),
        }
    )
    with scopes_disabled():
        AuditEvent.objects.create(
            id=act.id,
            namespace_id=namespace_id,
            action=action,
            actor_id=actor.user_id,
            created_at=now,
            body=body,
        )
    OutboxEvent.objects.create(
        id=act.id,
        namespace_id=namespace_id,
        type=action,
        payload={"actor": actor.as_json(), "targets": act.targets, **act.payload},
        created_at=now,
    )
    event_id = act.id
    transaction.on_commit(lambda: events.announce(event_id))
