"""Organisations, their members and projects over REST."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import User
from apps.accounts.rest import caller
from apps.accounts.selectors import user_of
from apps.core.errors import NotFound
from apps.core.pagination import paginate, parse_limit
from apps.core.principal import Principal
from apps.orgs.api.serializers import (
    MemberSerializer,
    MemberSetSerializer,
    NamespaceSerializer,
    OrganisationCreateSerializer,
    ProjectSerializer,
)
from apps.orgs.api.tokens import person
from apps.orgs.models import Namespace
from apps.orgs.policies import require
from apps.orgs.scoping import NamespaceResource, namespace_named
from apps.orgs.selectors import members_of, projects_of
from apps.orgs.services import membership_remove, membership_set, organisation_create

PAGE_PARAMETERS = [OpenApiParameter("cursor", str), OpenApiParameter("limit", int)]


class OrganisationList(APIView):
    atrium_action = {"POST": "organisation.create"}

    @extend_schema(
        operation_id="organisations_create",
        request=OrganisationCreateSerializer,
        responses={201: NamespaceSerializer},
    )
    def post(self, request: Request) -> Response:
        actor = person(request)
        body = OrganisationCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        namespace = organisation_create(actor=actor, owner=user_of(actor), **body.validated_data)
        return Response(NamespaceSerializer(namespace).data, status=201)


class NamespaceDetail(APIView):
    atrium_action = {"GET": "namespace.read"}

    @extend_schema(operation_id="namespaces_get", responses=NamespaceSerializer)
    def get(self, request: Request, namespace: str) -> Response:
        return Response(NamespaceSerializer(seen(caller(request), namespace)).data)


class MemberList(APIView):
    atrium_action = {"GET": "member.list"}

    @extend_schema(
        operation_id="members_list",
        parameters=PAGE_PARAMETERS,
        responses=inline_serializer(
            "MemberPage", {"items": MemberSerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)}
        ),
    )
    def get(self, request: Request, namespace: str) -> Response:
        rows = members_of(caller(request), namespace_named(namespace))
        page = paginate(
            rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"), maximum=100)
        )
        return Response({"items": MemberSerializer(page.items, many=True).data, "next_cursor": page.next_cursor})


class MemberDetail(APIView):
    """PUT makes a person a member or changes the role; DELETE ends it. Both may be repeated."""

    atrium_action = {"PUT": "member.change", "DELETE": "member.remove"}

    @extend_schema(operation_id="members_set", request=MemberSetSerializer, responses=MemberSerializer)
    def put(self, request: Request, namespace: str, username: str) -> Response:
        actor = caller(request)
        tenant = namespace_named(namespace)
        # Before the body and the person are looked at: a stranger learns neither what is valid nor who has an account.
        require(actor, "member.change", NamespaceResource(tenant), sees="namespace.read")
        body = MemberSetSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        role = body.validated_data["role"]
        membership = membership_set(actor=actor, namespace=tenant, user=person_named(username), role=role)
        return Response(MemberSerializer(membership).data)

    @extend_schema(operation_id="members_remove", request=None, responses={204: None})
    def delete(self, request: Request, namespace: str, username: str) -> Response:
        actor = caller(request)
        tenant = namespace_named(namespace)
        if username.casefold() != actor.username.casefold():
            require(actor, "member.remove", NamespaceResource(tenant), sees="namespace.read")
        membership_remove(actor=actor, namespace=tenant, user=person_named(username))
        return Response(status=204)


class ProjectList(APIView):
    atrium_action = {"GET": "project.read"}

    @extend_schema(
        operation_id="projects_list",
        parameters=PAGE_PARAMETERS,
        responses=inline_serializer(
            "ProjectPage",
            {"items": ProjectSerializer(many=True), "next_cursor": serializers.CharField(allow_null=True)},
        ),
    )
    def get(self, request: Request, namespace: str) -> Response:
        rows = projects_of(caller(request), namespace_named(namespace))
        page = paginate(
            rows, cursor=request.GET.get("cursor"), limit=parse_limit(request.GET.get("limit"), maximum=100)
        )
        return Response({"items": ProjectSerializer(page.items, many=True).data, "next_cursor": page.next_cursor})


def seen(actor: Principal, name: str) -> Namespace:
    """The namespace, where the actor may see it."""
    namespace = namespace_named(name)
    require(actor, "namespace.read", NamespaceResource(namespace), sees="namespace.read")
    return namespace


def person_named(username: str) -> User:
    # PostgreSQL knows no NUL, so nobody is named with one.
    found = None if "\x00" in username else User.objects.filter(username__iexact=username).first()
    if found is None:
        raise NotFound(f"There is no person named {username[:96]!r}.", code="user_not_found")
    return found
