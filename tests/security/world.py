"""One organisation with private things, and five people around it: alice owns, carol maintains, bob is a member, charlie is a stranger.

Credentials are real: tokens made by the service that makes them, sessions as a log-in leaves them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from apps.accounts.authentication import principal_of
from apps.accounts.models import AccessToken, User
from apps.accounts.services import token_create
from apps.core.ids import external
from apps.core.principal import Principal, system
from apps.jobs import files
from apps.jobs.models import Job, JobArtefact
from apps.orgs.models import Namespace
from apps.orgs.scoping import within
from apps.orgs.selectors import default_project
from apps.orgs.services import membership_set, organisation_create, user_create
from apps.repositories.commits import branch_create, commit_create, tag_create
from apps.repositories.git.trees import AddFile
from apps.repositories.models import RepoKind, Repository
from apps.repositories.selectors import repository_find
from apps.repositories.services import repository_create
from apps.webhooks.models import Delivery, DeliveryState, Endpoint
from apps.webhooks.services import endpoint_create

ROLES = ("anonymous", "stranger", "member", "maintainer", "owner")
PEOPLE = {"stranger": "charlie", "member": "bob", "maintainer": "carol", "owner": "alice"}
PASSWORD = "correct horse battery"


@dataclass
class World:
    """`world["name"]` is a text for addresses and bodies; names that begin with `new_` are made anew each time."""

    users: dict[str, User]
    tokens: dict[str, str]
    namespace: Namespace
    fixed: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> str:
        if name in self.fixed:
            return self.fixed[name]
        # `new_model_branch` is a new branch of the private model.
        kind, between, made = name.removeprefix("new_").partition("_")
        if between and kind in RepoKind.values:
            return str(getattr(self, f"new_{made}")(kind))
        return str(getattr(self, name)())

    @property
    def owner(self) -> Principal:
        return principal_of(self.users["owner"])

    def session(self, role: str) -> str:
        """The key of a new session, such as a log-in leaves."""
        user, store = self.users[role], SessionStore()
        store[SESSION_KEY] = str(user.pk)
        store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        store.create()
        return str(store.session_key)

    def owners_token(self) -> str:
        return str(self.further_token("owner", may="read")[0].id)

    def owners_token_id(self) -> str:
        """The same as the API writes it."""
        return external("tok", self.further_token("owner", may="read")[0].id)

    def new_name(self) -> str:
        return f"n{uuid.uuid4().hex[:16]}"

    def new_model(self) -> str:
        return self.repository("model").name

    def new_open_model(self) -> str:
        return self.repository("model", visibility="public").name

    def repository(self, kind: str, name: str | None = None, visibility: str = "private") -> Repository:
        """A repository of the organisation that its owner made."""
        return repository_create(
            actor=self.owner, namespace=self.namespace, kind=kind, name=name or self.new_name(), visibility=visibility
        )

    def new_branch(self, kind: str) -> str:
        name = self.new_name()
        branch_create(actor=self.owner, repository=self.secret(kind), branch=name)
        return name

    def new_tag(self, kind: str) -> str:
        name = self.new_name()
        tag_create(actor=self.owner, repository=self.secret(kind), tag=name, revision="main")
        return name

    def secret(self, kind: str) -> Repository:
        """The private repository that every role asks for."""
        return repository_find(actor=self.owner, kind=kind, namespace_name=self.namespace.name, name="secret")

    def new_job(self) -> str:
        with within(self.namespace.id):
            job = Job.objects.create(
                namespace=self.namespace,
                project=default_project(self.namespace.id),
                created_by=self.users["owner"],
                kind="clip.zero_shot",
                spec={},
                flavour="cpu-small",
                queue="ml.cpu",
            )
        return job.external_id

    def new_endpoint(self) -> str:
        return self.endpoint().external_id

    def endpoint(self) -> Endpoint:
        return endpoint_create(
            actor=self.owner, namespace=self.namespace, url="https://hooks.example.org/atrium"
        ).endpoint

    def new_user(self) -> str:
        """A member of the organisation, to be changed or removed."""
        name = self.new_name()
        user = user_create(actor=system(), username=name, email=f"{name}@example.org", password=None)
        membership_set(actor=self.owner, namespace=self.namespace, user=user, role="member")
        return name

    def further_token(self, role: str, *, may: str) -> tuple[AccessToken, str]:
        """Another token of that person, and its text."""
        return make_token(self.users[role], self.new_name(), may)


def build() -> World:
    # Hashing takes its time, and one hash of the one password does for all.
    hashed = make_password(PASSWORD)
    users = {role: _person(name, hashed) for role, name in PEOPLE.items()}
    namespace = organisation_create(
        actor=principal_of(users["owner"]), owner=users["owner"], name="acme", default_visibility="private"
    )
    for role in ("member", "maintainer"):
        membership_set(actor=principal_of(users["owner"]), namespace=namespace, user=users[role], role=role)
    world = World(users, {role: make_token(user, "matrix", "write")[1] for role, user in users.items()}, namespace)
    for kind, name in (("model", "open"), ("model", "secret"), ("dataset", "secret"), ("space", "secret")):
        repository = world.repository(kind, name, visibility="public" if name == "open" else "private")
        done = commit_create(
            actor=world.owner,
            repository=repository,
            branch="main",
            operations=[AddFile("README.md", b"# Secret\n"), AddFile("folder/a.txt", b"secret\n")],
            summary="Add files",
        )
        world.fixed |= {f"{kind}_commit": done.oid, f"{kind}_id": str(repository.id)}
    world.fixed |= {
        "ns": namespace.name,
        "secret": "secret",
        "open": "open",
        "job": world.new_job(),
        "endpoint": world.new_endpoint(),
    }
    _artefact(world)
    _delivery(world)
    return world


def _person(name: str, hashed: str) -> User:
    user = user_create(actor=system(), username=name, email=f"{name}@example.org", password=None)
    user.password = hashed
    user.save(update_fields=["password"])
    return user


def make_token(user: User, name: str, may: str) -> tuple[AccessToken, str]:
    own = Namespace.objects.get(user=user)
    expires = timezone.now() + timedelta(days=1)
    return token_create(
        actor=principal_of(user), user=user, namespace_id=own.id, name=name, role=may, expires_at=expires
    )


def _artefact(world: World) -> None:
    with within(world.namespace.id):
        job = Job.objects.get(id=_id_of_job(world))
        files.write(job.id, "artefacts/results.json", b"{}")
        JobArtefact.objects.create(
            job=job,
            namespace_id=world.namespace.id,
            name="results.json",
            content_type="application/json",
            size=2,
            sha256="0" * 64,
        )


def _id_of_job(world: World) -> Any:
    return Job.objects.values_list("id", flat=True).get()


def _delivery(world: World) -> None:
    with within(world.namespace.id):
        delivery = Delivery.objects.create(
            endpoint=Endpoint.objects.get(),
            namespace_id=world.namespace.id,
            event_id=uuid.uuid4(),
            event_type="job.finished",
            body=b"{}",
            state=DeliveryState.FAILED,
        )
    world.fixed["delivery"] = delivery.external_id


@contextmanager
def built() -> Iterator[World]:
    """The world in a database copy of its own, which is dropped afterwards."""
    from tests.support.databases import fresh_copy

    with fresh_copy():
        yield build()
