"""The world that the tables are about, built once for a module and committed, because raw routes ask from threads of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from pytest_django.plugin import DjangoDbBlocker

if TYPE_CHECKING:
    from tests.security.world import World


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    from tests.security.world import built

    with django_db_blocker.unblock(), built() as found:
        yield found
