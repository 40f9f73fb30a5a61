"""What the core's tests share: an owner's connection, and actions that exist in tests only."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from apps.core.changes import change
from apps.core.events import Action, actions
from apps.core.principal import Principal, system

Write = Callable[..., uuid.UUID]


@pytest.fixture
def as_owner() -> Iterator[psycopg.Connection[Any]]:
    """The owner role in the test's own database, as somebody with the keys to everything; only where the test commits."""
    server, _, _ = os.environ["DATABASE_OWNER_URL"].rpartition("/")
    name = connections["default"].settings_dict["NAME"]
    with psycopg.connect(f"{server}/{name}", autocommit=True) as connection:
        yield connection


@pytest.fixture
def thing_done() -> Iterator[str]:
    """A registered action for the length of a test."""
    name = "thing.do"
    actions.register(name, Action(name, "A thing was done."))
    yield name
    del actions._items[name]


@pytest.fixture
def write(thing_done: str) -> Write:
    """Does the thing once: one audit event, one outbox event. Returns their id."""

    def do(namespace_id: uuid.UUID, *, actor: Principal | None = None, **payload: Any) -> uuid.UUID:
        with change(actor=actor or system(), action=thing_done, namespace_id=namespace_id) as act:
            act.target("thing", uuid.uuid4(), "a thing")
            act.emit(**payload)
        return act.id

    return do
