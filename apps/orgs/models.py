"""The tenant is the namespace: of a person or of an organisation, with members and projects (cost centres)."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from apps.core.ids import new_id


class NamespaceKind(models.TextChoices):
    USER = "user", "user"
    ORGANISATION = "organisation", "organisation"


class Visibility(models.TextChoices):
    PUBLIC = "public", "public"
    PRIVATE = "private", "private"


class Role(models.TextChoices):
    OWNER = "owner", "owner"
    MAINTAINER = "maintainer", "maintainer"
    MEMBER = "member", "member"


class Namespace(models.Model):
    """A tenant. `name` is as written; `name_key` is what is unique."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=16, choices=NamespaceKind.choices)
    name = models.CharField(max_length=96)
    name_key = models.CharField(max_length=192, unique=True)
    full_name = models.CharField(max_length=200, blank=True)
    # The person of a personal namespace; null for an organisation.
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="namespace", db_constraint=True
    )
    default_visibility = models.CharField(max_length=8, choices=Visibility.choices, default=Visibility.PUBLIC)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def is_organisation(self) -> bool:
        return self.kind == NamespaceKind.ORGANISATION


class Membership(models.Model):
    """A person's role in an organisation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace", "user"], name="membership_once")
        ]


class Project(models.Model):
    """A cost centre within a namespace. Each namespace has one default project from the start."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.CASCADE, related_name="projects")
    name = models.CharField(max_length=96)
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace", "name"], name="project_name_once"),
            models.UniqueConstraint(
                fields=["namespace"], condition=models.Q(is_default=True), name="one_default_project"
            ),
        ]
