"""How usage and flavours look in the API."""

from __future__ import annotations

from rest_framework import serializers

from apps.billing.models import Flavour, UsageEvent


class FlavourSerializer(serializers.ModelSerializer[Flavour]):
    class Meta:
        model = Flavour
        fields = ("name", "title", "queue", "sku")


class UsageEventSerializer(serializers.ModelSerializer[UsageEvent]):
    project = serializers.CharField(source="project.name")
    quantity = serializers.SerializerMethodField(help_text="in units, as a decimal text")

    class Meta:
        model = UsageEvent
        fields = (
            "id", "project", "sku", "unit", "quantity", "price_micro_units", "amount_micro_units",
            "subject_type", "subject_id", "started_at", "ended_at",
        )  # fmt: skip

    def get_quantity(self, event: UsageEvent) -> str:
        return f"{event.quantity_milli // 1000}.{event.quantity_milli % 1000:03d}"
