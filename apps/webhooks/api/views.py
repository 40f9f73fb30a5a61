"""Webhooks over REST: endpoints, and the log of what was sent to them."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rest import caller
from apps.core.pagination import paginate, parse_limit
from apps.orgs.scoping import namespace_named, within
from apps.webhooks.api.serializers import (
    DeliveryDetailSerializer,
    DeliverySerializer,
    EndpointCreatedSerializer,
    EndpointCreateSerializer,
    EndpointSerializer,
    EndpointUpdateSerializer,
)
from apps.webhooks.selectors import deliveries_of, delivery_find, endpoint_find, endpoints_of
from apps.webhooks.services import endpoint_create, endpoint_delete, endpoint_enable, endpoint_update

PAGE_PARAMETERS = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]
IDEMPOTENCY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER)
# An answer with a secret in it stays out of every cache.
NO_STORE = {"Cache-Control": "no-store"}


class EndpointList(APIView):
    atrium_action = {"GET": "webhook.read", "POST": "webhook.create"}

    @extend_schema(
        operation_id="webhooks_list",
        parameters=PAGE_PARAMETERS,
        responses=inline_serializer(
            "WebhookPage",
            {"items": EndpointSerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)},
        ),
    )
    def get(self, request: Request, namespace: str) -> Response:
        tenant = namespace_named(namespace)
        with within(tenant.id):
            rows = endpoints_of(caller(request), tenant)
            page = paginate(
                rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"), maximum=100)
            )
            return Response({"items": EndpointSerializer(page.items, many=True).data, "next_cursor": page.next_cursor})

    @extend_schema(
        operation_id="webhooks_create",
        parameters=[IDEMPOTENCY],
        request=EndpointCreateSerializer,
        responses={201: EndpointCreatedSerializer, 200: EndpointCreatedSerializer},
    )
    def post(self, request: Request, namespace: str) -> Response:
        tenant = namespace_named(namespace)
        actor = caller(request)
        with within(tenant.id):
            # Who may not see webhooks learns nothing from the body's errors either.
            endpoints_of(actor, tenant)
        body = EndpointCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        created = endpoint_create(
            actor=actor,
            namespace=tenant,
            url=body.validated_data["url"],
            event_types=body.validated_data["event_types"],
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        answer = {**EndpointSerializer(created.endpoint).data, "secret": created.secret}
        return Response(answer, status=201 if created.secret else 200, headers=NO_STORE)


class EndpointDetail(APIView):
    atrium_action = {"GET": "webhook.read", "PATCH": "webhook.update", "DELETE": "webhook.delete"}

    @extend_schema(operation_id="webhooks_get", responses=EndpointSerializer)
    def get(self, request: Request, namespace: str, webhook_id: str) -> Response:
        tenant = namespace_named(namespace)
        with within(tenant.id):
            return Response(EndpointSerializer(endpoint_find(caller(request), tenant, webhook_id)).data)

    @extend_schema(operation_id="webhooks_update", request=EndpointUpdateSerializer, responses=EndpointSerializer)
    def patch(self, request: Request, namespace: str, webhook_id: str) -> Response:
        tenant = namespace_named(namespace)
        actor = caller(request)
        with within(tenant.id):
            endpoint = endpoint_find(actor, tenant, webhook_id)
            body = EndpointUpdateSerializer(data=request.data)
            body.is_valid(raise_exception=True)
            changed = endpoint_update(
                actor=actor,
                endpoint=endpoint,
                url=body.validated_data.get("url"),
                event_types=body.validated_data.get("event_types"),
            )
            return Response(EndpointSerializer(changed).data)

    @extend_schema(operation_id="webhooks_delete", request=None, responses={204: None})
    def delete(self, request: Request, namespace: str, webhook_id: str) -> Response:
        tenant = namespace_named(namespace)
        actor = caller(request)
        with within(tenant.id):
            endpoint_delete(actor=actor, endpoint=endpoint_find(actor, tenant, webhook_id))
        return Response(status=204)


class EndpointEnable(APIView):
    atrium_action = {"POST": "webhook.update"}

    @extend_schema(operation_id="webhooks_enable", request=None, responses=EndpointSerializer)
    def post(self, request: Request, namespace: str, webhook_id: str) -> Response:
        tenant = namespace_named(namespace)
        actor = caller(request)
        with within(tenant.id):
            enabled = endpoint_enable(actor=actor, endpoint=endpoint_find(actor, tenant, webhook_id))
            return Response(EndpointSerializer(enabled).data)


class DeliveryList(APIView):
    atrium_action = {"GET": "webhook.read"}

    @extend_schema(
        operation_id="webhook_deliveries_list",
        parameters=PAGE_PARAMETERS,
        responses=inline_serializer(
            "DeliveryPage",
            {"items": DeliverySerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)},
        ),
    )
    def get(self, request: Request, namespace: str, webhook_id: str) -> Response:
        tenant = namespace_named(namespace)
        actor = caller(request)
        with within(tenant.id):
            rows = deliveries_of(actor, tenant, endpoint_find(actor, tenant, webhook_id))
            page = paginate(
                rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"), maximum=100)
            )
            return Response({"items": DeliverySerializer(page.items, many=True).data, "next_cursor": page.next_cursor})


class DeliveryDetail(APIView):
    atrium_action = {"GET": "webhook.read"}

    @extend_schema(operation_id="webhook_deliveries_get", responses=DeliveryDetailSerializer)
    def get(self, request: Request, namespace: str, webhook_id: str, delivery_id: str) -> Response:
        tenant = namespace_named(namespace)
        actor = caller(request)
        with within(tenant.id):
            delivery = delivery_find(actor, tenant, endpoint_find(actor, tenant, webhook_id), delivery_id)
            return Response(DeliveryDetailSerializer(delivery).data)
