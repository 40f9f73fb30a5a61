"""Repositories, what their refs are about to become, and which stored objects they may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from apps.core.ids import hub_id, new_id
from apps.core.principal import Principal
from apps.orgs.models import Namespace, Visibility
from apps.orgs.policies import Relation, namespaces_at_least


class RepoKind(models.TextChoices):
    MODEL = "model", "model"
    DATASET = "dataset", "dataset"
    SPACE = "space", "space"


class UnscopedRead(RuntimeError):
    """Repositories were queried without saying for whom."""


class RepositoryQuerySet(models.QuerySet["Repository"]):
    def visible_to(self, actor: Principal) -> RepositoryQuerySet:
        """Repositories that the actor may read. One query with what the principal has cached."""
        mine = namespaces_at_least(actor, Relation.MEMBER)
        rows = self.filter(models.Q(visibility=Visibility.PUBLIC) | models.Q(namespace_id__in=mine))
        if actor.narrowing is not None:
            # A job's token narrows what its person may read today; it never adds to it.
            return rows.filter(id__in=actor.narrowing.read | actor.narrowing.write)
        return rows


class RepositoryManager(models.Manager["Repository"]):
    """Raises unless the query says for whom: `visible_to(actor)`, or `unscoped(reason=…)` where a check follows or none is due."""

    def get_queryset(self) -> Any:
        raise UnscopedRead("call Repository.objects.visible_to(actor) or .unscoped(reason=…)")

    def visible_to(self, actor: Principal) -> RepositoryQuerySet:
        return RepositoryQuerySet(self.model, using=self._db).visible_to(actor)

    def unscoped(self, *, reason: str) -> RepositoryQuerySet:
        if not reason:
            raise UnscopedRead("say why no actor is asked about")
        return RepositoryQuerySet(self.model, using=self._db)


class Repository(models.Model):
    """A bare git repository with large files in S3. The directory is named by the id, so a rename moves nothing."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="repositories")
    kind = models.CharField(max_length=8, choices=RepoKind.choices)
    name = models.CharField(max_length=96)
    name_key = models.CharField(max_length=192)
    visibility = models.CharField(max_length=8, choices=Visibility.choices)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now_add=True)
    # Facts derived from the card (README.md) at the head of main; recomputed at every push to it.
    card = models.JSONField(default=dict)
    tags = models.JSONField(default=list)
    pipeline_tag = models.CharField(max_length=64, blank=True)
    library_name = models.CharField(max_length=64, blank=True)
    head_sha = models.CharField(max_length=40, blank=True)
    downloads = models.BigIntegerField(default=0)

    objects = RepositoryManager()
    # Django itself (related lookups, deletion, migrations) goes through the base manager.
    everything = models.Manager["Repository"]()

    class Meta:
        base_manager_name = "everything"
        default_manager_name = "everything"
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["kind", "-updated_at"], name="repo_by_update"),
            models.Index(fields=["namespace", "kind", "-id"], name="repo_by_namespace"),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace", "kind", "name_key"], name="repo_name_once")
        ]

    @property
    def full_name(self) -> str:
        return f"{self.namespace.name}/{self.name}"

    @property
    def hub_id(self) -> str:
        return hub_id(self.id)

    @property
    def git_dir(self) -> Path:
        # Two levels by the id's random tail: the head of a UUIDv7 is its time, and would fill one directory after the other.
        tail = self.id.hex[-4:]
        return Path(settings.ATRIUM_GIT_ROOT) / tail[:2] / tail[2:] / f"{self.id.hex}.git"

    @property
    def url_prefix(self) -> str:
        return {RepoKind.MODEL: "", RepoKind.DATASET: "datasets/", RepoKind.SPACE: "spaces/"}[RepoKind(self.kind)]


class IntentState(models.TextChoices):
    PENDING = "pending", "pending"
    DONE = "done", "done"
    VOID = "void", "void"


class RefUpdateIntent(models.Model):
    """A ref that is about to move: written and committed before git moves it, closed by the change that records the push.

    A reconciler finishes or voids what a crash left pending, by looking at where the ref stands and what was made of it since.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="ref_intents")
    # One push may move several refs; its intents share a push id, and are one audit event.
    push_id = models.UUIDField()
    ref = models.CharField(max_length=512)
    old = models.CharField(max_length=40)
    new = models.CharField(max_length=40)
    actor = models.JSONField()
    state = models.CharField(max_length=8, choices=IntentState.choices, default=IntentState.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["repository", "ref", "created_at"], name="intent_by_ref"),
            models.Index(fields=["created_at"], name="intent_pending", condition=models.Q(state="pending")),
        ]


class StoredObject(models.Model):
    """A blob in S3 under its namespace's prefix, whose SHA-256 was verified. Nothing else can be referenced or served."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    namespace = models.ForeignKey(Namespace, models.PROTECT, related_name="+")
    sha256 = models.CharField(max_length=64)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["namespace", "sha256"], name="stored_object_once")
        ]


class ObjectPossession(models.Model):
    """The bytes were uploaded to this very repository, or a commit of it names them: only then may its pointers name the object."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="possessions")
    stored = models.ForeignKey(StoredObject, models.PROTECT, related_name="possessions")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["repository", "stored"], name="possession_once")
        ]


class Xorb(models.Model):
    """A Xet chunk container that a client uploaded to this repository; its bytes wait in S3 for the shards that name it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="xorbs")
    hash = models.CharField(max_length=64)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["repository", "hash"], name="xorb_once")
        ]
