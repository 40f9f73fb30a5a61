"""Flavours, and what a namespace has used."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rest import caller
from apps.billing.api.serializers import FlavourSerializer, UsageEventSerializer
from apps.billing.models import Flavour
from apps.billing.selectors import usage_of
from apps.core.pagination import paginate, parse_limit
from apps.orgs.scoping import namespace_named, within


class FlavourList(APIView):
    atrium_action = {"GET": "flavour.list"}

    @extend_schema(operation_id="flavours_list", responses=FlavourSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(FlavourSerializer(Flavour.objects.order_by("name"), many=True).data)


class UsageList(APIView):
    atrium_action = {"GET": "usage.read"}

    @extend_schema(
        operation_id="usage_list",
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
        responses=inline_serializer(
            "UsagePage",
            {"items": UsageEventSerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)},
        ),
    )
    def get(self, request: Request, namespace: str) -> Response:
        tenant = namespace_named(namespace)
        with within(tenant.id):
            rows = usage_of(caller(request), tenant)
            page = paginate(rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit")))
            return Response(
                {"items": UsageEventSerializer(page.items, many=True).data, "next_cursor": page.next_cursor}
            )
