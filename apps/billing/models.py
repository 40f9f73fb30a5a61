"""What things cost and what was used. Money is integer micro-units; a usage event copies the price that it used and never changes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_scopes import ScopedManager

from apps.core.ids import new_id
from apps.orgs.models import Namespace, Project


class Price(models.Model):
    """A price from a moment on: `micro_units` of the currency for one `unit` of a `sku`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    sku = models.CharField(max_length=64)
    unit = models.CharField(max_length=16)
    micro_units = models.BigIntegerField()
    valid_from = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["sku", "valid_from"], name="price_once")
        ]


class Flavour(models.Model):
    """Hardware that a job or endpoint may ask for, the queue whose workers have it, and its sku."""

    name = models.CharField(max_length=32, primary_key=True)
    title = models.CharField(max_length=100)
    queue = models.CharField(max_length=32)
    sku = models.CharField(max_length=64)


class UsageEvent(models.Model):
    """A use of something for a half-open interval [started_at, ended_at), with the price copied. Append-only, unique by its key."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="+")
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=128)
    sku = models.CharField(max_length=64)
    unit = models.CharField(max_length=16)
    # In thousandths of the unit: milliseconds where the unit is a second.
    quantity_milli = models.BigIntegerField()
    price_micro_units = models.BigIntegerField()
    amount_micro_units = models.BigIntegerField()
    subject_type = models.CharField(max_length=16)
    subject_id = models.UUIDField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[UsageEvent]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["namespace", "-id"], name="usage_by_namespace")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace", "idempotency_key"], name="usage_event_once")
        ]
