"""A use is counted once, at the price of its moment, and never rewritten."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.utils import ProgrammingError
from django_scopes import scope
from django_scopes.exceptions import ScopeError

from apps.billing.models import Price, UsageEvent
from apps.billing.services import amount_of, usage_record
from apps.core.errors import Conflict
from apps.core.principal import system
from apps.orgs.models import Namespace
from apps.orgs.selectors import default_project
from apps.orgs.services import user_create

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def namespace(db: None) -> Iterator[Namespace]:
    user = user_create(actor=system(), username="alice", email="alice@example.org", password="correct horse battery")
    found = Namespace.objects.get(user=user)
    with scope(namespace=found.id):
        yield found


def record(namespace: Namespace, *, key: str, seconds: float, subject: uuid.UUID) -> UsageEvent:
    return usage_record(
        namespace_id=namespace.id,
        project_id=default_project(namespace.id).id,
        key=key,
        sku="compute.cpu-small",
        started_at=START,
        ended_at=START + timedelta(seconds=seconds),
        subject_type="job",
        subject_id=subject,
    )


def test_the_same_key_counts_once(namespace: Namespace) -> None:
    subject = uuid.uuid4()
    first = record(namespace, key="job:1", seconds=10, subject=subject)
    again = record(namespace, key="job:1", seconds=20, subject=subject)
    assert first.id == again.id
    assert UsageEvent.objects.get().amount_micro_units == 100


def test_the_same_key_for_something_else_is_refused(namespace: Namespace) -> None:
    record(namespace, key="job:1", seconds=10, subject=uuid.uuid4())
    with pytest.raises(Conflict):
        record(namespace, key="job:1", seconds=10, subject=uuid.uuid4())


def test_a_later_price_changes_no_earlier_event(namespace: Namespace) -> None:
    event = record(namespace, key="job:1", seconds=10, subject=uuid.uuid4())
    Price.objects.create(sku="compute.cpu-small", unit="second", micro_units=99, valid_from=START + timedelta(days=1))
    event.refresh_from_db()
    assert event.price_micro_units == 10
    assert record(namespace, key="job:2", seconds=1, subject=uuid.uuid4()).price_micro_units == 10


@pytest.mark.parametrize(
    ("milli", "price", "amount"), [(0, 10, 0), (49, 10, 0), (50, 10, 1), (1000, 10, 10), (1049, 10, 10), (1050, 10, 11)]
)
def test_amounts_are_rounded_half_up_to_whole_micro_units(milli: int, price: int, amount: int) -> None:
    assert amount_of(milli, price) == amount


def test_the_runtime_role_cannot_rewrite_usage(namespace: Namespace) -> None:
    record(namespace, key="job:1", seconds=10, subject=uuid.uuid4())
    with pytest.raises(ProgrammingError, match="permission denied"), connection.cursor() as cursor:
        cursor.execute("UPDATE billing_usageevent SET amount_micro_units = 0")


def test_usage_without_a_scope_is_refused(db: None) -> None:
    with pytest.raises(ScopeError):
        UsageEvent.objects.count()
