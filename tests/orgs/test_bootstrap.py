"""A bootstrap file says what must exist; applying it again changes nothing but tokens that no longer verify."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from django_scopes import scopes_disabled

from apps.accounts.authentication import authenticate
from apps.accounts.models import AccessToken, User
from apps.core.errors import NotAuthenticated
from apps.core.models import AuditEvent
from apps.orgs.models import Membership, Namespace
from tests.factories import PASSWORD, role_of

pytestmark = pytest.mark.django_db
WANTED: dict[str, Any] = {
    "users": [
        {
            "username": "alice",
            "full_name": "Alice",
            "email": "alice@example.org",
            "password": PASSWORD,
            "operator": True,
        },
        {"username": "bob", "password": PASSWORD},
    ],
    "organisations": [
        {
            "name": "acme",
            "default_visibility": "private",
            "members": [{"username": "bob", "role": "member"}, {"username": "alice", "role": "owner"}],
        }
    ],
    "tokens": [{"owner": "alice", "name": "ci", "role": "write"}, {"owner": "bob", "name": "ci", "role": "read"}],
}
Apply = Callable[..., list[str]]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.json"


@pytest.fixture
def apply(tmp_path: Path, out: Path) -> Apply:
    """Runs the command; returns the texts of the tokens."""

    def run(wanted: Any = WANTED) -> list[str]:
        file = tmp_path / "bootstrap.yaml"
        file.write_text(wanted if isinstance(wanted, str) else yaml.safe_dump(wanted))
        call_command("bootstrap", str(file), "--out", str(out))
        return [row["token"] for row in json.loads(out.read_text())["tokens"]]

    return run


def counts() -> tuple[int, ...]:
    with scopes_disabled():
        models = (User, Namespace, Membership, AccessToken, AuditEvent)
        return tuple(model.objects.count() for model in models)  # type: ignore[attr-defined]


def lives(text: str) -> bool:
    try:
        return authenticate({"authorization": f"Bearer {text}"}, "").is_authenticated
    except NotAuthenticated:
        return False


def test_everything_is_there_afterwards(apply: Apply, out: Path) -> None:
    alices, bobs = apply()
    alice, bob = User.objects.get(username="alice"), User.objects.get(username="bob")
    acme = Namespace.objects.get(name="acme")
    assert (alice.is_superuser, alice.is_staff, bob.is_superuser) == (True, False, False)
    assert alice.check_password(PASSWORD) and alice.email == "alice@example.org"
    assert (role_of(alice, acme), role_of(bob, acme), acme.default_visibility) == ("owner", "member", "private")
    assert lives(alices) and lives(bobs)
    assert not authenticate({"authorization": f"Bearer {bobs}"}, "").can_write
    assert json.loads(out.read_text())["tokens"][0] == {"owner": "alice", "name": "ci", "token": alices}
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_second_time_changes_nothing(apply: Apply, out: Path) -> None:
    first = apply()
    before, text = counts(), out.read_text()
    assert apply() == first
    assert (counts(), out.read_text()) == (before, text)


def test_what_people_changed_meanwhile_is_theirs(apply: Apply) -> None:
    apply()
    alice = User.objects.get(username="alice")
    alice.set_password("another horse battery")
    alice.save()
    apply()
    alice.refresh_from_db()
    assert alice.check_password("another horse battery")


@pytest.mark.parametrize("damage", ["lost", "altered", "not json", "another shape"])
def test_tokens_whose_text_is_lost_are_made_anew_and_the_old_ones_end(apply: Apply, out: Path, damage: str) -> None:
    first = apply()
    if damage == "lost":
        out.unlink()
    else:
        texts = {
            "altered": out.read_text().replace(first[0], first[1]).replace(first[1], "x"),
            "not json": "{",
            "another shape": "[]",
        }
        out.write_text(texts[damage])
    second = apply()
    assert set(first) & set(second) == set()
    assert [lives(text) for text in first + second] == [False, False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(seconds=1)}, {"role": "read"}, {"digest": "0" * 64},
    ],
    ids=["revoked", "expired", "another role", "another text"],
)  # fmt: skip
def test_a_token_that_no_longer_verifies_is_made_anew(apply: Apply, change: dict[str, Any]) -> None:
    first = apply()
    with scopes_disabled():
        AccessToken.objects.filter(user__username="alice").update(**change)
    second = apply()
    assert second[0] != first[0] and second[1] == first[1]
    assert lives(second[0]) and not lives(first[0])


def test_the_out_file_is_private_even_over_an_open_one(apply: Apply, out: Path) -> None:
    out.write_text("{}")
    out.chmod(0o644)
    apply()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_roles_follow_the_file(apply: Apply) -> None:
    apply()
    people = [{"username": "alice", "role": "member"}, {"username": "bob", "role": "owner"}]
    apply({**WANTED, "organisations": [{"name": "ACME", "members": people}]})
    acme = Namespace.objects.get(name="acme")
    assert role_of(User.objects.get(username="alice"), acme) == "member"
    assert role_of(User.objects.get(username="bob"), acme) == "owner"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("users: [", "bootstrap.yaml"),
        ({"people": []}, "people"),
        ({"users": [{"username": "alice"}]}, "password"),
        ({"users": [{"username": "api", "password": PASSWORD}]}, "reserved"),
        ({"organisations": [{"name": "acme", "members": []}]}, "members"),
        ({"organisations": [{"name": "acme", "members": [{"username": "nobody", "role": "owner"}]}]}, "neither"),
        ({"tokens": [{"owner": "nobody", "name": "ci", "role": "read"}]}, "neither"),
        ({"tokens": [{"owner": "alice", "name": "ci", "role": "admin"}]}, "role"),
        ("!!python/object/apply:os.system ['true']", "bootstrap.yaml"),
    ],
)
def test_a_file_that_cannot_be_is_refused_with_the_reason(apply: Apply, out: Path, wanted: Any, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        apply(wanted)
    assert not out.exists()


def test_an_empty_file_asks_for_nothing(apply: Apply) -> None:
    assert apply("") == []
    assert counts() == (0, 0, 0, 0, 0)
