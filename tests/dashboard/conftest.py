"""alice owns acme, bob is a member, charlie must see nothing; each with a browser that runs no JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from django_scopes import scope

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.core.principal import Principal, system
from apps.jobs.models import Job
from apps.orgs.models import Namespace
from apps.orgs.selectors import default_project
from apps.orgs.services import membership_set, organisation_create, user_create
from apps.repositories.commits import commit_create
from apps.repositories.git.trees import AddFile
from apps.repositories.models import Repository
from apps.repositories.services import repository_create


def person(name: str) -> User:
    """Without a password, whose hash takes its time; browsers are logged in by force."""
    return user_create(actor=system(), username=name, email=f"{name}@example.org", password=None)


def browser_of(user: User | None) -> Client:
    client = Client(SERVER_NAME="127.0.0.1")
    if user is not None:
        client.force_login(user)
    return client


@pytest.fixture
def alice(db: None) -> User:
    return person("alice")


@pytest.fixture
def bob(db: None) -> User:
    return person("bob")


@pytest.fixture
def charlie(db: None) -> User:
    return person("charlie")


@pytest.fixture
def as_alice(alice: User) -> Principal:
    return principal_of(alice)


@pytest.fixture
def acme(alice: User, bob: User) -> Namespace:
    namespace = organisation_create(
        actor=principal_of(alice), owner=alice, name="acme", full_name="Acme", default_visibility="private"
    )
    membership_set(actor=principal_of(alice), namespace=namespace, user=bob, role="member")
    return namespace


@pytest.fixture
def scoped(acme: Namespace) -> Iterator[Namespace]:
    """Rows of the organisation may be read and written directly."""
    with scope(namespace=acme.id):
        yield acme


@pytest.fixture
def anonymous_browser(db: None) -> Client:
    return browser_of(None)


@pytest.fixture
def alices_browser(alice: User) -> Client:
    return browser_of(alice)


@pytest.fixture
def bobs_browser(bob: User) -> Client:
    return browser_of(bob)


@pytest.fixture
def charlies_browser(charlie: User) -> Client:
    return browser_of(charlie)


MakeRepository = Callable[..., Repository]


@pytest.fixture
def make_repository(acme: Namespace, as_alice: Principal) -> MakeRepository:
    def make(name: str = "shapes", kind: str = "dataset", visibility: str = "private", **files: bytes) -> Repository:
        """Files by path; in a keyword, `__` is a slash and `_dot_` a dot."""
        repository = repository_create(actor=as_alice, namespace=acme, kind=kind, name=name, visibility=visibility)
        if files:
            put(
                as_alice,
                repository,
                {path.replace("__", "/").replace("_dot_", "."): text for path, text in files.items()},
            )
        return repository

    return make


def put(actor: Principal, repository: Repository, files: dict[str, bytes]) -> str:
    """A commit on main; returns its id."""
    operations = [AddFile(path, content) for path, content in files.items()]
    done = commit_create(actor=actor, repository=repository, branch="main", operations=operations, summary="Add files")
    return done.oid


MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(scoped: Namespace, alice: User) -> MakeJob:
    def make(**fields: object) -> Job:
        defaults: dict[str, object] = {
            "namespace": scoped,
            "project": default_project(scoped.id),
            "created_by": alice,
            "kind": "clip.zero_shot",
            "spec": {"labels": ["a cat"]},
            "flavour": "cpu-small",
            "queue": "ml.cpu",
        }
        return Job.objects.create(**{**defaults, **fields})

    return make
