"""People, a namespace and jobs in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django_scopes import scope

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.core.principal import Principal, system
from apps.jobs.models import Job
from apps.orgs.models import Namespace
from apps.orgs.selectors import default_project
from apps.orgs.services import user_create


@pytest.fixture
def alice(db: None) -> User:
    return user_create(actor=system(), username="alice", email="alice@example.org", password="correct horse battery")


@pytest.fixture
def as_alice(alice: User) -> Principal:
    return principal_of(alice)


@pytest.fixture
def namespace(alice: User) -> Iterator[Namespace]:
    found = Namespace.objects.get(user=alice)
    with scope(namespace=found.id):
        yield found


@pytest.fixture
def make_job(namespace: Namespace, alice: User) -> Callable[..., Job]:
    def make(**fields: object) -> Job:
        defaults: dict[str, object] = {
            "namespace": namespace,
            "project": default_project(namespace.id),
            "created_by": alice,
            "kind": "clip.zero_shot",
            "spec": {},
            "flavour": "cpu-small",
            "queue": "ml.cpu",
        }
        return Job.objects.create(**{**defaults, **fields})

    return make
