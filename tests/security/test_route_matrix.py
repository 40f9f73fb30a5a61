"""Every route × five roles: what the server answers is what the table says, and no route is missing from it."""

from __future__ import annotations

import pytest

from apps.accounts.services import token_revoke
from tests.security.enumeration import all_keys, django_routes
from tests.security.matrix import ask, observe, outcome, surprises, told_apart
from tests.security.routes import TABLE
from tests.security.table import Row
from tests.security.world import ROLES, World


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


def test_a_read_token_of_an_owner_changes_nothing(world: World) -> None:
    _, text = world.further_token("owner", may="read")
    asked = [row for row in TABLE.rows if not row.by_session and changes(row) and row.outcomes["anonymous"] == "401"]
    let_in = [f"{row}: {seen}" for row in asked if (seen := outcome(ask(world, row, "owner", token=text))) != "403"]
    assert let_in == []
    assert len(asked) > 30


def changes(row: Row) -> bool:
    """Whether the row changes something, or hands out the means to; by what it is for, not by its method."""
    if row.key.name == "git.upload_pack" or row.key.name.endswith("-paths-info"):
        return False
    if row.key.name == "lfs.batch":
        return "upload" in row.variant
    grants = row.key.name.endswith(("-xet-write", "-auth-check-write")) or "push" in row.variant
    return grants or row.key.method != "GET"


def test_credentials_that_are_not_valid_never_become_anonymous(world: World) -> None:
    token, text = world.further_token("owner", may="write")
    token_revoke(actor=world.owner, token=token)
    # Signed addresses and what is not offered look at no credentials.
    blind = {
        "lfs.upload",
        "lfs.download",
        "lfs.verify",
        "lfs.locks",
        "xet.xorb",
        "xet.shard",
        "xet.not_offered",
        "xet.telemetry",
    }
    asked = [row for row in TABLE.rows if row.key.name not in blind]
    let_in = [f"{row}: {seen}" for row in asked if (seen := outcome(ask(world, row, "owner", token=text))) != "401"]
    assert let_in == []


def test_the_matrix_notices_a_permission_check_that_is_switched_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.orgs.policies._allowed", lambda actor, rule, resource: True)
    rows = [
        row for row in TABLE.rows if row.key.name in {"page-webhooks", "v1-job-cancel", "resolve", "git.receive_pack"}
    ]
    noticed = surprises(observe(world, rows))
    assert any("as stranger: expected 404, got ok" in line for line in noticed)
    assert {row.key.name for row in rows} <= {line.split()[1] for line in noticed}
