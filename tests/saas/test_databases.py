"""What tests may rely on: the runtime role, a rollback after each test, a copy for each test that commits."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.utils import ProgrammingError
from django.utils import timezone

from saas.embedded.postgres import EXTENSIONS, RUNTIME


def _row() -> None:
    Session.objects.create(session_key="left-behind", session_data="", expire_date=timezone.now())


@pytest.mark.django_db
def test_tests_run_as_the_runtime_role_which_owns_nothing_and_bypasses_nothing() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = %s",
            [RUNTIME],
        )
        assert cursor.fetchone() == (RUNTIME, False, False, False, False)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = %s::regrole", [RUNTIME])
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db
def test_runtime_role_cannot_create_tables() -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("CREATE TABLE mine (id int)")


@pytest.mark.django_db
def test_extensions_are_in_every_copy() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extname FROM pg_extension")
        assert set(EXTENSIONS) <= {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db
@pytest.mark.parametrize("_attempt", [1, 2])
def test_rows_of_a_plain_test_are_rolled_back(_attempt: int) -> None:
    assert not Session.objects.exists()
    _row()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_attempt", [1, 2])
def test_rows_of_a_committing_test_vanish_with_its_copy(_attempt: int) -> None:
    assert not Session.objects.exists()
    _row()
    connection.close()
    assert Session.objects.exists()
    assert connection.settings_dict["NAME"].startswith("test_")


@pytest.mark.django_db
def test_worker_has_its_own_bucket_and_an_empty_valkey(s3_bucket: str, valkey: object) -> None:
    from redis import Redis

    assert s3_bucket.startswith("test-")
    assert isinstance(valkey, Redis)
    assert valkey.dbsize() == 0
