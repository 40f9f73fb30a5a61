"""Others hear of a change after its COMMIT, at least once, whatever is lost on the way."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from kombu.exceptions import OperationalError
from redis import Redis

from apps.core import events, tasks
from apps.core.models import OutboxEvent
from tests.core.conftest import Write

NAMESPACE = uuid.UUID(int=7)


class Consumer:
    """Remembers what it heard, and fails where it is told to."""

    def __init__(self) -> None:
        self.heard: list[uuid.UUID] = []
        self.fails_on: set[uuid.UUID] = set()

    def __call__(self, event: OutboxEvent) -> None:
        if event.id in self.fails_on:
            raise RuntimeError("a defect")
        self.heard.append(event.id)


@pytest.fixture
def consumer() -> Iterator[Consumer]:
    found = Consumer()
    events.consumers.register("test", found)
    yield found
    del events.consumers._items["test"]


def waiting() -> list[uuid.UUID]:
    return events.waiting(limit=100)


def messages(valkey: Redis) -> list[str]:
    """Ids of the events that workers were told of."""
    raw = valkey.lrange("control", 0, -1)
    assert isinstance(raw, list)
    return [json.loads(message)["headers"]["argsrepr"].strip("(),'") for message in raw]


@pytest.mark.django_db(transaction=True)
def test_workers_are_told_after_commit_and_not_before(write: Write, valkey: Redis) -> None:
    with transaction.atomic():
        event = write(NAMESPACE)
        assert messages(valkey) == []
    assert messages(valkey) == [str(event)]


@pytest.mark.django_db(transaction=True)
def test_nobody_is_told_of_what_was_rolled_back(write: Write, valkey: Redis) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        write(NAMESPACE)
        raise RuntimeError
    assert messages(valkey) == []
    assert waiting() == []


@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_fails_no_change_and_the_sweep_makes_up_for_it(
    write: Write, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.dispatch_event, "delay", refuse)
    event = write(NAMESPACE)
    assert consumer.heard == []
    tasks.sweep_outbox()
    assert consumer.heard == [event]
    assert waiting() == []


@pytest.mark.django_db
def test_an_event_is_delivered_once_however_often_the_message_comes(write: Write, consumer: Consumer) -> None:
    event = write(NAMESPACE)
    tasks.dispatch_event(str(event))
    tasks.dispatch_event(str(event))
    tasks.sweep_outbox()
    assert consumer.heard == [event]
    assert not events.dispatch(event)
    assert not events.dispatch(uuid.uuid4())


@pytest.mark.django_db
def test_an_event_waits_until_every_consumer_has_it(write: Write, consumer: Consumer) -> None:
    event = write(NAMESPACE)
    consumer.fails_on = {event}
    with pytest.raises(RuntimeError):
        events.dispatch(event)
    assert waiting() == [event]
    consumer.fails_on = set()
    assert events.dispatch(event)
    assert consumer.heard == [event]


@pytest.mark.django_db
def test_an_event_that_a_consumer_fails_on_holds_up_no_other(write: Write, consumer: Consumer) -> None:
    first, second, third = (write(NAMESPACE) for _ in range(3))
    consumer.fails_on = {first}
    tasks.sweep_outbox()
    assert consumer.heard == [second, third]
    assert waiting() == [first]


@pytest.mark.django_db(transaction=True)
def test_an_event_in_one_workers_hands_is_left_by_the_other(write: Write, consumer: Consumer) -> None:
    event = write(NAMESPACE)
    inside, go_on = threading.Event(), threading.Event()

    def slowly(_: OutboxEvent) -> None:
        inside.set()
        go_on.wait(20)

    events.consumers.register("slow", slowly)

    def run() -> None:
        events.dispatch(event)
        connection.close()

    try:
        worker = threading.Thread(target=run)
        worker.start()
        assert inside.wait(20)
        assert not events.dispatch(event)
        go_on.set()
        worker.join(20)
    finally:
        del events.consumers._items["slow"]
    assert consumer.heard == [event]


@pytest.mark.django_db
def test_the_sweep_takes_the_oldest_first_and_only_so_many(write: Write) -> None:
    found = [write(NAMESPACE) for _ in range(5)]
    assert events.waiting(limit=3) == found[:3]
