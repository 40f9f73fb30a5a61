"""The rows behind `change()`: audit events, their hash chain, the outbox, and idempotency keys."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_scopes import ScopedManager

from apps.core.ids import new_id


class AuditEvent(models.Model):
    """One thing that was done, as the bytes that were hashed, beside the columns that pages filter by. Never updated, never deleted."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    # No foreign key: the row outlives the namespace.
    namespace_id = models.UUIDField()
    action = models.CharField(max_length=64)
    actor_id = models.UUIDField(null=True)
    created_at = models.DateTimeField()
    body = models.BinaryField()

    objects: ClassVar[models.Manager[AuditEvent]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["namespace_id", "-id"], name="audit_by_namespace")
        ]


class AuditLink(models.Model):
    """A link of a namespace's chain, written by the database at COMMIT: hash = SHA-256(previous ‖ sequence ‖ body)."""

    event = models.OneToOneField(AuditEvent, models.PROTECT, primary_key=True, db_constraint=False)
    namespace_id = models.UUIDField()
    sequence = models.BigIntegerField()
    previous = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace_id", "sequence"], name="audit_link_sequence")
        ]


class AuditHead(models.Model):
    """The newest link of each namespace; its row lock is what serialises writers, and is held last and shortly."""

    namespace_id = models.UUIDField(primary_key=True)
    sequence = models.BigIntegerField()
    hash = models.BinaryField()


class OutboxEvent(models.Model):
    """Something that others must hear of after COMMIT. Delivered at least once: consumers are idempotent by `id`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace_id = models.UUIDField()
    type = models.CharField(max_length=64)
    payload = models.JSONField()
    created_at = models.DateTimeField()
    dispatched_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], name="outbox_waiting", condition=models.Q(dispatched_at__isnull=True))
        ]


class IdempotencyKey(models.Model):
    """The answer to a creating request, kept for ever: the same key with the same body is answered the same way again."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace_id = models.UUIDField()
    operation = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    target_id = models.UUIDField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace_id", "operation", "key"], name="idempotency_key_once")
        ]
