"""acme with alice (owner), carol (maintainer) and bob (member), a stranger charlie, and events that webhooks carry."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from apps.accounts.authentication import principal_of
from apps.accounts.models import User
from apps.core.changes import change
from apps.core.models import OutboxEvent
from apps.core.principal import Principal, system
from apps.orgs.models import Namespace
from apps.orgs.scoping import within
from apps.webhooks.consume import consume
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.services import endpoint_create
from tests.factories import make_organisation, make_user
from tests.support.peers import Behaviour, Peer, answers, listening


@dataclass(frozen=True)
class Acme:
    """The organisation and its people."""

    namespace: Namespace
    alice: User
    bob: User
    carol: User
    charlie: User

    def who(self, name: str) -> Principal:
        return principal_of(getattr(self, name))


@pytest.fixture
def acme(db: None) -> Acme:
    alice, bob, carol, charlie = (make_user(name) for name in ("alice", "bob", "carol", "charlie"))
    namespace = make_organisation("acme", owner=alice, maintainer=carol, member=bob)
    return Acme(namespace, alice, bob, carol, charlie)


@pytest.fixture
def tenant(acme: Acme) -> Iterator[Namespace]:
    """acme's scope is open for the length of the test."""
    with within(acme.namespace.id):
        yield acme.namespace


@pytest.fixture(autouse=True)
def _receivers_on_loopback(settings: Any) -> None:
    settings.ATRIUM_SAFE_HTTP_ALLOW = ["127.0.0.1/32:1-65535"]


MakeEndpoint = Callable[..., tuple[Endpoint, str]]


@pytest.fixture
def make_endpoint(acme: Acme) -> MakeEndpoint:
    """An endpoint of acme and its secret."""

    def make(url: str = "https://hooks.example/atrium", *types: str) -> tuple[Endpoint, str]:
        made = endpoint_create(actor=acme.who("alice"), namespace=acme.namespace, url=url, event_types=types)
        assert made.secret is not None
        return made.endpoint, made.secret

    return make


def happened(namespace_id: uuid.UUID, action: str = "job.finished", **payload: Any) -> OutboxEvent:
    """An event of a namespace, as the outbox keeps it."""
    with change(actor=system("test"), action=action, namespace_id=namespace_id) as act:
        act.target("job", uuid.uuid4(), "job_1")
        act.emit(**payload)
    return OutboxEvent.objects.get(id=act.id)


@dataclass
class Wire:
    """A receiver, the endpoint that leads to it, and one delivery that is due."""

    peer: Peer
    endpoint: Endpoint
    secret: str
    delivery: Delivery


@pytest.fixture
def wire(tenant: Namespace, make_endpoint: MakeEndpoint) -> Iterator[Callable[..., Wire]]:
    """`wire(answers(503))`: a receiver that behaves like that."""
    opened: list[Any] = []

    def connect(behave: Behaviour | None = None, **payload: Any) -> Wire:
        context = listening(behave or answers(200))
        peer = context.__enter__()
        opened.append(context)
        endpoint, secret = make_endpoint(peer.url("/hook"))
        consume(happened(tenant.id, **payload))
        return Wire(peer, endpoint, secret, Delivery.objects.get(endpoint=endpoint))

    yield connect
    for context in opened:
        context.__exit__(None, None, None)
