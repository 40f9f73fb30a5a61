"""A person's own access tokens over REST. The text is in the answer that makes it, and never again."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.rest import caller
from apps.accounts.selectors import tokens_of, user_of
from apps.accounts.services import DEFAULT_LIFETIME, token_create, token_of, token_revoke
from apps.core.errors import Forbidden, NotAuthenticated, NotFound
from apps.core.ids import internal
from apps.core.pagination import paginate, parse_limit
from apps.core.principal import Principal
from apps.orgs.api.serializers import TOKEN_ID, TokenCreatedSerializer, TokenCreateSerializer, TokenSerializer
from apps.orgs.scoping import within
from apps.orgs.selectors import personal_namespace

PAGE_PARAMETERS = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


def person(request: Request) -> Principal:
    """The caller as the person whose account this is: not anonymous, and not a job that runs for him."""
    actor = caller(request)
    if not actor.is_authenticated:
        raise NotAuthenticated()
    if actor.narrowing is not None:
        raise Forbidden("A job's token does not manage accounts.", code="token_is_a_jobs")
    return actor


class TokenList(APIView):
    atrium_action = {"GET": "self", "POST": "self"}

    @extend_schema(
        operation_id="tokens_list",
        parameters=PAGE_PARAMETERS,
        responses=inline_serializer(
            "TokenPage", {"items": TokenSerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)}
        ),
    )
    def get(self, request: Request) -> Response:
        actor = person(request)
        limit = parse_limit(request.GET.get("limit"), maximum=100)
        with within(personal_namespace(actor).id):
            page = paginate(tokens_of(actor), cursor=request.GET.get("cursor"), limit=limit)
            return Response({"items": TokenSerializer(page.items, many=True).data, "next_cursor": page.next_cursor})

    @extend_schema(operation_id="tokens_create", request=TokenCreateSerializer, responses={201: TokenCreatedSerializer})
    def post(self, request: Request) -> Response:
        actor = person(request)
        body = TokenCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        token, text = token_create(
            actor=actor,
            user=user_of(actor),
            namespace_id=personal_namespace(actor).id,
            name=wanted["name"],
            role=wanted["role"],
            expires_at=wanted["expires_at"] if "expires_at" in wanted else timezone.now() + DEFAULT_LIFETIME,
        )
        answer = {**TokenSerializer(token).data, "token": text}
        return Response(answer, status=201, headers={"Cache-Control": "no-store"})


class TokenDetail(APIView):
    atrium_action = {"DELETE": "self"}

    @extend_schema(operation_id="tokens_revoke", request=None, responses={204: None})
    def delete(self, request: Request, token_id: str) -> Response:
        actor = person(request)
        found = internal(TOKEN_ID, token_id)
        if found is None:
            raise NotFound("You have no such token.", code="token_not_found")
        token_revoke(actor=actor, token=token_of(actor=actor, token_id=found))
        return Response(status=204)
