"""Verification of the audit chain: finds what was edited, deleted, reordered, inserted or cut off, and names the first bad row."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from django_scopes import scopes_disabled

from apps.core.models import AuditEvent, AuditHead, AuditLink

GENESIS = bytes(32)


@dataclass(frozen=True)
class Verdict:
    """The state of one namespace's chain. `problem` is empty when it holds."""

    namespace_id: uuid.UUID
    events: int
    problem: str


def link_hash(previous: bytes, sequence: int, body: bytes) -> bytes:
    """The same computation as the database's trigger: SHA-256(previous ‖ sequence as 8 bytes, big-endian ‖ body)."""
    return hashlib.sha256(previous + sequence.to_bytes(8, "big") + body).digest()


def verify_all() -> Iterator[Verdict]:
    """A verdict for each namespace that has events, links or a head."""
    with scopes_disabled():
        heads = set(AuditHead.objects.values_list("namespace_id", flat=True))
        seen = heads | set(AuditEvent.objects.values_list("namespace_id", flat=True).distinct())
        seen |= set(AuditLink.objects.values_list("namespace_id", flat=True).distinct())
        for namespace_id in sorted(seen):
            yield verify_chain(namespace_id)


def verify_chain(namespace_id: uuid.UUID) -> Verdict:
    """Walks one chain from its first link to its head, in constant memory."""
    with scopes_disabled():
        count = 0
        previous = GENESIS
        for link in AuditLink.objects.filter(namespace_id=namespace_id).order_by("sequence").iterator(chunk_size=1000):
            count += 1
            event = AuditEvent.objects.filter(id=link.event_id).first()
            problem = _problem_of(link, event, expected=count, previous=previous)
            if problem:
                return Verdict(namespace_id, count, problem)
            previous = bytes(link.hash)
        head = AuditHead.objects.filter(namespace_id=namespace_id).first()
        if count and (head is None or head.sequence != count or bytes(head.hash) != previous):
            return Verdict(
                namespace_id,
                count,
                f"the chain ends at {count}, but its head says {head.sequence if head else 'nothing'}",
            )
        if not count and head is not None:
            return Verdict(namespace_id, 0, f"the head says {head.sequence}, but no link is left")
        unlinked = AuditEvent.objects.filter(namespace_id=namespace_id, auditlink__isnull=True).order_by("id").first()
        if unlinked is not None:
            return Verdict(namespace_id, count, f"event {unlinked.id} was inserted outside the chain")
        return Verdict(namespace_id, count, "")


def _problem_of(link: AuditLink, event: AuditEvent | None, *, expected: int, previous: bytes) -> str:
    if link.sequence != expected:
        return f"link {expected} is missing (found {link.sequence})"
    if event is None:
        return f"event {link.event_id} (sequence {expected}) was deleted"
    if bytes(link.previous) != previous:
        return f"link {expected} (event {event.id}) does not follow its predecessor"
    body = bytes(event.body)
    if link_hash(previous, expected, body) != bytes(link.hash):
        return f"event {event.id} (sequence {expected}) was edited"
    facts = json.loads(body)
    columns = (str(event.id), str(event.namespace_id), event.action, str(event.actor_id) if event.actor_id else None)
    if columns != (facts["id"], facts["namespace_id"], facts["action"], facts["actor"]["id"]):
        return f"the columns of event {event.id} (sequence {expected}) do not agree with what was hashed"
    return ""
