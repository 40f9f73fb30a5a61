"""Endpoints that want to hear of events, what is owed to each, and every attempt that was made."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django_scopes import ScopedManager

from apps.core.ids import external, new_id
from apps.orgs.models import Namespace

PREFIX = "whk"
DELIVERY_PREFIX = "dlv"


class Endpoint(models.Model):
    """A receiver of a namespace's events. The secret is kept encrypted and shown once, when it is made."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.CASCADE, related_name="webhook_endpoints")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    url = models.CharField(max_length=2000)
    # Types of events it hears; empty hears all that webhooks may carry.
    event_types = models.JSONField(default=list)
    secret = models.CharField(max_length=500)
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=64, blank=True)
    # Since when there was nothing but failures.
    failing_since = models.DateTimeField(null=True)
    # An endpoint that says it is overloaded is left alone until then, by all its deliveries.
    not_before = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Endpoint]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["namespace", "-id"], name="endpoint_by_namespace")
        ]

    @property
    def external_id(self) -> str:
        return external(PREFIX, self.id)


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "waiting"
    SUCCEEDED = "succeeded", "succeeded"
    FAILED = "failed", "failed"


class Delivery(models.Model):
    """One event owed to one endpoint: the exact bytes, when to try next. Every attempt has the same `webhook-id`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries")
    namespace_id = models.UUIDField()
    event_id = models.UUIDField()
    event_type = models.CharField(max_length=64)
    body = models.BinaryField()
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    attempts_made = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    # When a worker was last told of it; keeps the sweep from telling again what waits in a queue already.
    announced_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Delivery]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["namespace_id", "-id"], name="delivery_by_namespace"),
            models.Index(fields=["next_attempt_at"], name="delivery_due", condition=models.Q(state="waiting")),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["endpoint", "event_id"], name="delivery_once")
        ]

    @property
    def external_id(self) -> str:
        return external(DELIVERY_PREFIX, self.id)

    @property
    def webhook_id(self) -> str:
        return external("evt", self.event_id)


class Attempt(models.Model):
    """One try at a delivery and what came back."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="attempts")
    namespace_id = models.UUIDField()
    number = models.IntegerField()
    # When it began.
    at = models.DateTimeField()
    milliseconds = models.IntegerField()
    status = models.IntegerField(null=True)
    error = models.CharField(max_length=300, blank=True)
    response = models.TextField(blank=True)

    objects: ClassVar[models.Manager[Attempt]] = ScopedManager(namespace="namespace_id")

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["delivery", "number"], name="attempt_once")
        ]
        ordering: ClassVar[list[str]] = ["number"]
