"""A change's rows, its one audit event and its outbox event commit together or not at all."""

from __future__ import annotations

import json
import unicodedata
import uuid

import pytest
from django.db import IntegrityError
from django_scopes import scope, scopes_disabled
from django_scopes.exceptions import ScopeError

from apps.core import events
from apps.core.audit import verify_all, verify_chain
from apps.core.changes import canonical, change
from apps.core.ids import new_id
from apps.core.models import AuditEvent, AuditLink, IdempotencyKey, OutboxEvent
from apps.core.principal import Kind, Principal, system
from tests.core.conftest import Write

NAMESPACE = uuid.UUID(int=7)


def counts() -> tuple[int, int]:
    with scopes_disabled():
        return AuditEvent.objects.count(), OutboxEvent.objects.count()


def remember(key: str) -> None:
    IdempotencyKey.objects.create(
        namespace_id=NAMESPACE, operation="o", key=key, body_sha256="0" * 64, target_id=NAMESPACE
    )


@pytest.mark.django_db(transaction=True)
def test_a_change_that_fails_leaves_nothing(thing_done: str) -> None:
    with pytest.raises(RuntimeError), change(actor=system(), action=thing_done, namespace_id=NAMESPACE) as act:
        remember("row of the change")
        act.target("thing", new_id(), "thing")
        raise RuntimeError
    assert counts() == (0, 0)
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_change_whose_row_conflicts_leaves_nothing(thing_done: str) -> None:
    remember("taken")
    with pytest.raises(IntegrityError), change(actor=system(), action=thing_done, namespace_id=NAMESPACE):
        remember("taken")
    assert counts() == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_change_writes_one_audit_event_one_link_and_one_outbox_event(thing_done: str) -> None:
    actor = Principal(
        kind=Kind.USER, user_id=new_id(), username="alice", address="192.0.2.1", user_agent="test", request_id="r-1"
    )
    target = new_id()
    with change(actor=actor, action=thing_done, namespace_id=NAMESPACE) as act:
        remember("row of the change")
        act.target("thing", target, "Café")
        act.note(size=3)
        act.emit(thing={"size": 3})
    with scope(namespace=NAMESPACE):
        event = AuditEvent.objects.get()
    outbox = OutboxEvent.objects.get()
    assert event.id == outbox.id == act.id
    assert AuditLink.objects.get().event_id == event.id
    facts = json.loads(bytes(event.body))
    assert facts["actor"] == {"type": "user", "id": str(actor.user_id), "name": "alice", "token_id": None}
    assert facts["targets"] == [{"type": "thing", "id": str(target), "name": "Café"}]
    assert (facts["metadata"], facts["request_id"], facts["address"]) == ({"size": 3}, "r-1", "192.0.2.1")
    assert (outbox.type, outbox.payload["thing"], outbox.dispatched_at) == (thing_done, {"size": 3}, None)
    assert outbox.payload["targets"] == facts["targets"]
    assert verify_chain(NAMESPACE).problem == ""


@pytest.mark.django_db
def test_an_action_that_nobody_registered_cannot_be_written() -> None:
    ran = False
    with (
        pytest.raises(LookupError, match="thing.forget"),
        change(actor=system(), action="thing.forget", namespace_id=NAMESPACE),
    ):
        ran = True
    assert not ran
    assert counts() == (0, 0)


def test_every_registered_action_is_a_scope_and_a_verb() -> None:
    assert len(list(events.actions)) > 10
    for name, action in events.actions.items():
        scope_name, _, verb = name.partition(".")
        assert scope_name.isidentifier() and verb.isidentifier() and action.name == name
        assert action.description.endswith(".")


@pytest.mark.django_db
def test_an_audit_event_holds_fifty_facts_and_no_more(thing_done: str) -> None:
    with change(actor=system(), action=thing_done, namespace_id=NAMESPACE) as act:
        act.note(**{f"f{number}": number for number in range(50)})
    with (
        pytest.raises(ValueError, match="50"),
        change(actor=system(), action=thing_done, namespace_id=NAMESPACE) as act,
    ):
        act.note(**{f"f{number}": number for number in range(51)})


def test_the_same_facts_are_the_same_bytes() -> None:
    composed, decomposed = "é", unicodedata.normalize("NFD", "é")
    assert composed != decomposed
    assert canonical({"b": composed, "a": 1}) == canonical({"a": 1, "b": decomposed}) == '{"a":1,"b":"é"}'.encode()


@pytest.mark.django_db
def test_audit_events_are_shut_without_a_tenant(write: Write) -> None:
    write(NAMESPACE)
    with pytest.raises(ScopeError):
        AuditEvent.objects.count()
    with scope(namespace=uuid.UUID(int=8)):
        assert AuditEvent.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_chains_of_two_namespaces_do_not_meet(write: Write) -> None:
    other = uuid.UUID(int=8)
    for number in range(6):
        write(NAMESPACE if number % 2 else other)
    assert {v.namespace_id: (v.events, v.problem) for v in verify_all()} == {NAMESPACE: (3, ""), other: (3, "")}
