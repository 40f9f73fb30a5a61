"""The chain shows every later hand in it, even the owner role's with the triggers off; and the runtime role has no hand at all."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from apps.core.audit import verify_chain
from apps.core.models import AuditHead, AuditLink
from tests.core.conftest import Write

NAMESPACE = uuid.UUID(int=7)
OTHER = uuid.UUID(int=8)
Owner = psycopg.Connection[Any]
TABLES = ("core_auditevent", "core_auditlink", "core_audithead")


def problem_after(write: Write, owner: Owner, tamper: Callable[[Owner, list[uuid.UUID]], Any]) -> str:
    """Five events, then the owner's hand in them with every trigger off; what verification says."""
    events = [write(NAMESPACE) for _ in range(5)]
    assert verify_chain(NAMESPACE).problem == ""
    for table in TABLES:
        owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    tamper(owner, events)
    return verify_chain(NAMESPACE).problem


def edit_body(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("UPDATE core_auditevent SET body = replace(body::text, '61', '62')::bytea WHERE id = %s", [events[2]])


def edit_action(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("UPDATE core_auditevent SET action = 'thing.undo' WHERE id = %s", [events[2]])


def edit_actor(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("UPDATE core_auditevent SET actor_id = %s WHERE id = %s", [uuid.uuid4(), events[2]])


def move_to_another_namespace(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("UPDATE core_auditevent SET namespace_id = %s WHERE id = %s", [OTHER, events[2]])


def delete_event(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("DELETE FROM core_auditevent WHERE id = %s", [events[2]])


def delete_link(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("DELETE FROM core_auditlink WHERE event_id = %s", [events[2]])


def delete_both(owner: Owner, events: list[uuid.UUID]) -> None:
    delete_link(owner, events)
    delete_event(owner, events)


def delete_both_and_close_the_gap(owner: Owner, events: list[uuid.UUID]) -> None:
    delete_both(owner, events)
    owner.execute("UPDATE core_auditlink SET sequence = sequence - 1 WHERE sequence = 4")
    owner.execute("UPDATE core_auditlink SET sequence = sequence - 1 WHERE sequence = 5")
    owner.execute("UPDATE core_audithead SET sequence = 4")


def swap_sequences(owner: Owner, events: list[uuid.UUID]) -> None:
    for number, event in ((99, events[1]), (2, events[2]), (3, events[1])):
        owner.execute("UPDATE core_auditlink SET sequence = %s WHERE event_id = %s", [number, event])


def swap_links(owner: Owner, events: list[uuid.UUID]) -> None:
    other = uuid.uuid4()
    for old, new in ((events[1], other), (events[2], events[1]), (other, events[2])):
        owner.execute("UPDATE core_auditlink SET event_id = %s WHERE event_id = %s", [new, old])


def insert_unlinked(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute(
        "INSERT INTO core_auditevent (id, namespace_id, action, created_at, body) "
        "SELECT %s, namespace_id, action, created_at, body FROM core_auditevent WHERE id = %s",
        [uuid.uuid4(), events[2]],
    )


def cut_off_the_end(owner: Owner, events: list[uuid.UUID]) -> None:
    for event in events[3:]:
        owner.execute("DELETE FROM core_auditlink WHERE event_id = %s", [event])
        owner.execute("DELETE FROM core_auditevent WHERE id = %s", [event])


def cut_off_everything(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("DELETE FROM core_auditlink")
    owner.execute("DELETE FROM core_auditevent")


def lose_the_head(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("DELETE FROM core_audithead")


def lie_about_the_predecessor(owner: Owner, events: list[uuid.UUID]) -> None:
    owner.execute("UPDATE core_auditlink SET previous = sha256('x') WHERE event_id = %s", [events[2]])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("tamper", "named"),
    [
        (edit_body, "event {2} (sequence 3) was edited"),
        (edit_action, "columns of event {2}"),
        (edit_actor, "columns of event {2}"),
        (move_to_another_namespace, "columns of event {2}"),
        (delete_event, "event {2} (sequence 3) was deleted"),
        (delete_link, "link 3 is missing"),
        (delete_both, "link 3 is missing"),
        (delete_both_and_close_the_gap, "link 3 (event {3}) does not follow"),
        (swap_sequences, "does not follow"),
        (swap_links, "was edited"),
        (insert_unlinked, "was inserted outside the chain"),
        (cut_off_the_end, "ends at 3, but its head says 5"),
        (cut_off_everything, "head says 5, but no link is left"),
        (lose_the_head, "its head says nothing"),
        (lie_about_the_predecessor, "does not follow"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tampering_is_found_and_named(
    write: Write, as_owner: Owner, tamper: Callable[[Owner, list[uuid.UUID]], None], named: str
) -> None:
    seen: list[uuid.UUID] = []

    def note(owner: Owner, events: list[uuid.UUID]) -> None:
        seen.extend(events)
        tamper(owner, events)

    problem = problem_after(write, as_owner, note)
    assert named.format(*seen) in problem


@pytest.mark.django_db(transaction=True)
def test_the_command_fails_and_names_the_first_bad_row(
    write: Write, as_owner: Owner, capsys: pytest.CaptureFixture[str]
) -> None:
    write(NAMESPACE)
    call_command("audit", "verify", "--json")
    assert '"verified": true' in capsys.readouterr().out
    as_owner.execute("ALTER TABLE core_auditlink DISABLE TRIGGER USER")
    as_owner.execute("DELETE FROM core_auditlink")
    with pytest.raises(CommandError, match=str(NAMESPACE)):
        call_command("audit", "verify")


@pytest.mark.django_db(transaction=True)
def test_fifty_writers_at_once_do_not_fork_the_chain(write: Write) -> None:
    ready = threading.Barrier(50)
    failures: list[Exception] = []

    def run() -> None:
        try:
            ready.wait(30)
            write(NAMESPACE)
        except Exception as error:  # noqa: BLE001  (whatever it is, the assertion below shows it)
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    sequences = list(
        AuditLink.objects.filter(namespace_id=NAMESPACE).order_by("sequence").values_list("sequence", flat=True)
    )
    assert sequences == list(range(1, 51))
    assert AuditHead.objects.get(namespace_id=NAMESPACE).sequence == 50
    assert verify_chain(NAMESPACE).problem == ""


APPEND_ONLY = ("core_auditevent", "core_auditlink", "core_idempotencykey")


@pytest.mark.django_db
@pytest.mark.parametrize("table", [*APPEND_ONLY, "core_audithead"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET namespace_id = namespace_id", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_runtime_role_cannot_rewrite(table: str, statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO core_auditlink VALUES (gen_random_uuid(), gen_random_uuid(), 1, '', '')",
        "INSERT INTO core_audithead (namespace_id, sequence, hash) VALUES (gen_random_uuid(), 1, '')",
        "ALTER TABLE core_auditevent DISABLE TRIGGER USER",
        "DROP TRIGGER core_audit_append ON core_auditevent",
        "CREATE OR REPLACE FUNCTION core_audit_append() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TABLE mine (id int)",
        "SET session_replication_role = replica",
    ],
)
def test_the_runtime_role_cannot_go_around_the_chain(statement: str) -> None:
    refusals = "permission denied|must be owner"
    with pytest.raises(ProgrammingError, match=refusals), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.django_db(transaction=True)
def test_even_the_owner_must_switch_the_triggers_off_first(as_owner: Owner) -> None:
    for table in APPEND_ONLY:
        for statement in ("UPDATE {} SET namespace_id = namespace_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                as_owner.execute(statement.format(table))
