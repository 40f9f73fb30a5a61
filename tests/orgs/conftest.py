"""acme with alice (owner), carol (maintainer) and bob (member); charlie has nothing to do with it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.core.principal import Principal
from apps.orgs.models import Namespace
from tests.factories import make_organisation, make_user


@dataclass(frozen=True)
class Acme:
    namespace: Namespace
    alice: User
    bob: User
    carol: User
    charlie: User

    def who(self, name: str) -> Principal:
        """A fresh principal, as each request makes one."""
        return principal_of(getattr(self, name))


@pytest.fixture
def acme(db: None) -> Acme:
    alice, bob, carol, charlie = (make_user(name) for name in ("alice", "bob", "carol", "charlie"))
    namespace = make_organisation("acme", owner=alice, maintainer=carol, member=bob)
    return Acme(namespace, alice, bob, carol, charlie)
