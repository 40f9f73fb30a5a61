"""Databases for tests: copies of the migrated one, because append-only tables refuse the TRUNCATE that Django uses.

A plain `django_db` test runs in a transaction that is rolled back; one that commits gets a copy of its own.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from django.test import TransactionTestCase
from psycopg import sql

from saas.embedded.postgres import DATABASE as TEMPLATE

_numbers = itertools.count()


def _as_owner(database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
    url, _, _ = os.environ["DATABASE_OWNER_URL"].rpartition("/")
    return psycopg.connect(f"{url}/{database}", autocommit=True)


def create_copy(name: str) -> None:
    """A database like the migrated one, the runtime role's rights included. An older one of that name is dropped."""
    drop(name)
    with _as_owner() as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(TEMPLATE))
        )


def drop(name: str) -> None:
    """PostgreSQL waits for sessions that are just ending; one that a test left open is an error."""
    with _as_owner() as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


@contextmanager
def fresh_copy() -> Iterator[str]:
    """Everything in this process talks to a new copy, which is dropped afterwards. Yields its name."""
    usual = connections["default"].settings_dict["NAME"]
    name = f"{usual}_{next(_numbers)}"
    create_copy(name)
    _switch(name)
    try:
        yield name
    finally:
        _switch(usual)
        drop(name)


def _switch(name: str) -> None:
    connections.close_all()
    # One dictionary serves the connections of all threads.
    connections["default"].settings_dict["NAME"] = name


def commit_into_copies() -> None:
    """Make `@pytest.mark.django_db(transaction=True)` switch to a fresh copy in place of truncating afterwards."""

    def set_up(cls: Any) -> None:
        cls._copy = fresh_copy()
        cls._copy.__enter__()

    def tear_down(self: Any) -> None:
        type(self)._copy.__exit__(None, None, None)

    TransactionTestCase._fixture_setup = classmethod(set_up)  # type: ignore[attr-defined]
    TransactionTestCase._fixture_teardown = tear_down  # type: ignore[attr-defined]
