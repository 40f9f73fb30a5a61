"""People and their access tokens."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.db.models.functions import Lower
from django_scopes import ScopedManager

from apps.core.ids import new_id


class User(AbstractUser):
    """A person. The user name is also the name of the personal namespace, as the person wrote it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = models.CharField(max_length=96, unique=True)
    full_name = models.CharField(max_length=200, blank=True)
    email = models.EmailField(blank=True)
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]

    objects: ClassVar[UserManager[User]] = UserManager()  # type: ignore[assignment]

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(Lower("username"), name="user_username_any_case"),
        ]

    def get_full_name(self) -> str:
        return self.full_name or self.username

    def get_short_name(self) -> str:
        return self.username


class TokenRole(models.TextChoices):
    READ = "read", "read"
    WRITE = "write", "write"


class AccessToken(models.Model):
    """A bearer credential of a user. Only its HMAC is stored; the text is shown once, when it is made.

    A job's token carries `job_id` and the repositories that the job may read and write; it never shows in lists.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="access_tokens")
    namespace_id = models.UUIDField()
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=8, choices=TokenRole.choices)
    prefix = models.CharField(max_length=16)
    digest = models.CharField(max_length=64, unique=True)
    pepper_id = models.CharField(max_length=16)
    job_id = models.UUIDField(null=True)
    narrowing = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects: ClassVar[models.Manager[AccessToken]] = ScopedManager(namespace="namespace_id")

    class Meta:
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["user", "-id"], name="token_by_user")]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["user", "name"],
                name="token_name_once",
                condition=models.Q(revoked_at__isnull=True, job_id__isnull=True),
            )
        ]
