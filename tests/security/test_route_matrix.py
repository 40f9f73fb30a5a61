"""Every route × five roles: what the server answers is what the table says, and no route is missing from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.security.enumeration import all_keys, django_routes
from tests.security.matrix import observe, surprises, told_apart
from tests.security.routes import TABLE
from tests.security.world import ROLES, World, built


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with django_db_blocker.unblock(), built() as found:
        yield found


def matrix_size() -> tuple[int, int]:
    """(routes with their methods, roles)."""
    return len(all_keys()), len(ROLES)


def test_every_route_stands_in_the_table_and_every_row_is_a_route() -> None:
    known, written = all_keys(), TABLE.keys()
    assert sorted(map(str, known - written)) == [], "routes without a row"
    assert sorted(map(str, written - known)) == [], "rows without a route"


def test_every_route_of_ours_has_a_name_and_declares_its_actions() -> None:
    silent = [
        f"{found.name or found.pattern}: {sorted(found.methods)} declares {sorted(found.declared or ())}"
        for found in django_routes()
        if not found.name
        or (not found.name.startswith(("account_", "openapi")) and found.methods != (found.declared or frozenset()))
    ]
    assert silent == []


def test_every_route_answers_every_role_as_the_table_says(world: World) -> None:
    observations = observe(world, TABLE.rows)
    assert surprises(observations) == []
    routes, roles = matrix_size()
    print(f"\nroute matrix: {routes} routes × {roles} roles, {len(observations)} requests")


def test_what_may_not_be_seen_is_answered_like_what_does_not_exist(world: World) -> None:
    lines = [line for row in TABLE.rows if row.hidden for line in told_apart(world, row)]
    assert lines == []


def test_the_matrix_notices_a_permission_check_that_is_switched_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.orgs.policies._allowed", lambda actor, rule, resource: True)
    rows = [row for row in TABLE.rows if row.key.name in {"page-webhooks", "v1-job-cancel", "resolve", "git.receive_pack"}]
    noticed = surprises(observe(world, rows))
    assert any("as stranger: expected 404, got ok" in line for line in noticed)
    assert {row.key.name for row in rows} <= {line.split()[1] for line in noticed}
