"""alice and charlie, each with a personal namespace and no rights in the other's."""

from __future__ import annotations

import pytest

from apps.accounts.models import User
from tests.factories import make_user


@pytest.fixture
def alice(db: None) -> User:
    return make_user("alice")


@pytest.fixture
def charlie(db: None) -> User:
    return make_user("charlie")
