"""A creating request that is repeated creates nothing twice."""

from __future__ import annotations

import threading
import uuid

import pytest
from django.db import connection, transaction

from apps.core.errors import BadInput, Conflict
from apps.core.idempotency import body_digest, checked_key, earlier, remember
from apps.core.ids import new_id
from apps.core.models import IdempotencyKey

ONE, OTHER = uuid.UUID(int=7), uuid.UUID(int=8)
DIGEST = body_digest({"a": 1})


def keep(namespace_id: uuid.UUID = ONE, *, operation: str = "o", key: str = "k", digest: str = DIGEST) -> uuid.UUID:
    target = new_id()
    remember(namespace_id=namespace_id, operation=operation, key=key, digest=digest, target_id=target)
    return target


def ask(
    namespace_id: uuid.UUID = ONE, *, operation: str = "o", key: str = "k", digest: str = DIGEST
) -> uuid.UUID | None:
    return earlier(namespace_id=namespace_id, operation=operation, key=key, digest=digest)


@pytest.mark.django_db
def test_a_key_leads_to_what_it_created() -> None:
    assert ask() is None
    target = keep()
    assert ask() == target


@pytest.mark.django_db
def test_a_key_with_another_body_is_refused() -> None:
    keep()
    with pytest.raises(Conflict) as raised:
        ask(digest=body_digest({"a": 2}))
    assert raised.value.code == "idempotency_key_reused"


@pytest.mark.django_db
def test_keys_of_tenants_and_operations_do_not_meet() -> None:
    keep()
    assert ask(OTHER) is None
    assert ask(operation="p") is None
    assert ask(key="K") is None
    keep(OTHER)
    keep(operation="p")
    assert IdempotencyKey.objects.count() == 3


@pytest.mark.django_db
def test_the_slower_of_two_twins_is_told_to_repeat() -> None:
    target = keep()
    with pytest.raises(Conflict) as raised:
        keep()
    assert raised.value.code == "idempotency_key_in_flight"
    assert ask() == target


@pytest.mark.django_db(transaction=True)
def test_twins_at_the_same_moment_create_one() -> None:
    together = threading.Barrier(4)
    outcomes: list[str] = []

    def run() -> None:
        try:
            together.wait(20)
            with transaction.atomic():
                keep()
            outcomes.append("created")
        except Conflict as conflict:
            outcomes.append(conflict.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(outcomes) == ["created", *["idempotency_key_in_flight"] * 3]
    assert IdempotencyKey.objects.count() == 1


def test_a_body_is_the_same_in_any_order() -> None:
    assert body_digest({"a": 1, "b": [1, 2]}) == body_digest({"b": [1, 2], "a": 1})
    assert body_digest({"b": [1, 2]}) != body_digest({"b": [2, 1]})


@pytest.mark.parametrize(
    ("raw", "key"), [(None, None), ("", None), ("k", "k"), ("a b~", "a b~"), ("x" * 255, "x" * 255)]
)
def test_keys_that_are_taken(raw: str | None, key: str | None) -> None:
    assert checked_key(raw) == key


@pytest.mark.parametrize("raw", ["x" * 256, "ä", "a\tb", "a\nb", "\x00", "\x7f"])
def test_keys_that_are_refused(raw: str) -> None:
    with pytest.raises(BadInput) as raised:
        checked_key(raw)
    assert raised.value.code == "bad_idempotency_key"
