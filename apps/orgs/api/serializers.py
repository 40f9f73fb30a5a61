"""How tokens, namespaces, members and projects look in the API."""

from __future__ import annotations

from rest_framework import serializers

from apps.accounts.models import AccessToken, TokenRole
from apps.core.ids import external
from apps.orgs.models import Membership, Namespace, Project, Role, Visibility

TOKEN_ID = "tok"
NAMESPACE_ID = "ns"
PROJECT_ID = "prj"


class TokenSerializer(serializers.ModelSerializer[AccessToken]):
    id = serializers.SerializerMethodField()
    prefix = serializers.CharField(help_text="The beginning of the token's text, to recognise it by.")

    class Meta:
        model = AccessToken
        fields = ("id", "name", "role", "prefix", "created_at", "expires_at", "last_used_at")

    def get_id(self, token: AccessToken) -> str:
        return external(TOKEN_ID, token.id)


class TokenCreatedSerializer(TokenSerializer):
    token = serializers.CharField(help_text="The token's text, shown in this answer only.")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")  # type: ignore[assignment]


class TokenCreateSerializer(serializers.Serializer[None]):
    name = serializers.CharField(max_length=100)
    role = serializers.ChoiceField(choices=TokenRole.choices)
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Left out: in 90 days. null: never."
    )


class NamespaceSerializer(serializers.ModelSerializer[Namespace]):
    id = serializers.SerializerMethodField()

    class Meta:
        model = Namespace
        fields = ("id", "kind", "name", "full_name", "default_visibility", "created_at")

    def get_id(self, namespace: Namespace) -> str:
        return external(NAMESPACE_ID, namespace.id)


class OrganisationCreateSerializer(serializers.Serializer[None]):
    name = serializers.CharField(max_length=96)
    full_name = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    default_visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PUBLIC)


class MemberSerializer(serializers.ModelSerializer[Membership]):
    username = serializers.CharField(source="user.username")
    full_name = serializers.CharField(source="user.full_name")

    class Meta:
        model = Membership
        fields = ("username", "full_name", "role", "created_at")


class MemberSetSerializer(serializers.Serializer[None]):
    role = serializers.ChoiceField(choices=Role.choices)


class ProjectSerializer(serializers.ModelSerializer[Project]):
    id = serializers.SerializerMethodField()

    class Meta:
        model = Project
        fields = ("id", "name", "is_default", "created_at")

    def get_id(self, project: Project) -> str:
        return external(PROJECT_ID, project.id)
