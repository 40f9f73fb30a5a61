"""How webhooks, deliveries and attempts look in the API."""

from __future__ import annotations

from rest_framework import serializers

from apps.webhooks.models import Attempt, Delivery, Endpoint
from apps.webhooks.services import MAX_URL


class EndpointSerializer(serializers.ModelSerializer[Endpoint]):
    id = serializers.CharField(source="external_id")
    created_by = serializers.CharField(source="created_by.username", default=None)

    class Meta:
        model = Endpoint
        fields = (
            "id", "url", "event_types", "created_by", "created_at", "failing_since", "disabled_at", "disabled_reason",
        )  # fmt: skip


class EndpointCreatedSerializer(EndpointSerializer):
    secret = serializers.CharField(
        allow_null=True, help_text="`whsec_…`, shown in this answer only; null when a request is repeated."
    )

    class Meta(EndpointSerializer.Meta):
        fields = (*EndpointSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class EndpointCreateSerializer(serializers.Serializer[None]):
    url = serializers.CharField(max_length=MAX_URL, trim_whitespace=False)
    event_types = serializers.ListField(
        child=serializers.CharField(max_length=64),
        required=False,
        default=list,
        max_length=50,
        help_text="None: all of them.",
    )


class EndpointUpdateSerializer(serializers.Serializer[None]):
    url = serializers.CharField(max_length=MAX_URL, required=False, trim_whitespace=False)
    event_types = serializers.ListField(child=serializers.CharField(max_length=64), required=False, max_length=50)


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    class Meta:
        model = Attempt
        fields = ("number", "at", "milliseconds", "status", "error", "response")


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    id = serializers.CharField(source="external_id")
    webhook_id = serializers.CharField(help_text="The `webhook-id` header, the same at every attempt.")
    last_status = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields = (
            "id", "webhook_id", "event_type", "state", "attempts_made", "last_status", "next_attempt_at", "created_at",
        )  # fmt: skip

    def get_last_status(self, delivery: Delivery) -> int | None:
        attempts = list(delivery.attempts.all())
        return attempts[-1].status if attempts else None


class DeliveryDetailSerializer(DeliverySerializer):
    body = serializers.SerializerMethodField(help_text="The bytes that were signed and sent, as text.")
    attempts = AttemptSerializer(many=True)

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "body", "attempts")  # type: ignore[assignment]

    def get_body(self, delivery: Delivery) -> str:
        return bytes(delivery.body).decode()
