"""Endpoints are managed by those who maintain a namespace, audited each time, and their secret is shown once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django_scopes.exceptions import ScopeError

from apps.core.errors import AtriumError, BadInput, Conflict, Forbidden, Gone, NotFound
from apps.core.models import AuditEvent
from apps.core.principal import Principal, anonymous
from apps.orgs.models import Namespace
from apps.orgs.scoping import within
from apps.webhooks import services
from apps.webhooks.models import Attempt, Delivery, Endpoint
from apps.webhooks.selectors import deliveries_of, delivery_find, endpoint_find, endpoints_of
from apps.webhooks.services import endpoint_create, endpoint_delete, endpoint_enable, endpoint_update, secret_of
from tests.factories import make_organisation, narrowed, personal
from tests.webhooks.conftest import Acme, MakeEndpoint

pytestmark = pytest.mark.django_db
URL = "https://hooks.example/atrium?key=hidden"


def refused(act: Callable[[], Any]) -> tuple[type[AtriumError], str]:
    with pytest.raises(AtriumError) as raised:
        act()
    return type(raised.value), raised.value.code


def audited(action: str) -> list[dict[str, Any]]:
    return [json.loads(bytes(event.body)) for event in AuditEvent.objects.filter(action=action)]


def test_the_secret_is_shown_once_and_stored_encrypted(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    endpoint, secret = make_endpoint(URL)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM webhooks_endpoint")
        (stored,) = cursor.fetchone()
    assert secret.startswith("whsec_") and secret not in stored
    assert secret_of(endpoint) == secret


def test_creating_is_audited_without_secret_and_query(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    _, secret = make_endpoint(URL, "job.finished")
    (event,) = audited("webhook.create")
    assert event["metadata"] == {"url": "https://hooks.example/atrium", "event_types": ["job.finished"]}
    assert event["targets"][0]["type"] == "webhook"
    assert secret not in json.dumps(event)


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example", "ftp://hooks.example/", "http://a@hooks.example/", "http://127.0.0.1:9/", "http://2130706433/",
     "http://[::1]/", "http://10.1.2.3/", "https://hooks.example/" + "x" * 2000, "http://hooks.example/\x00", "http://8.8.8.8:22/"],
)  # fmt: skip
def test_an_address_that_will_never_be_called_is_refused(acme: Acme, settings: Any, url: str) -> None:
    settings.ATRIUM_SAFE_HTTP_ALLOW = []
    assert refused(lambda: endpoint_create(actor=acme.who("alice"), namespace=acme.namespace, url=url)) == (
        BadInput,
        "bad_webhook_url",
    )


def test_an_unknown_type_is_refused_and_types_are_kept_in_order(tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    endpoint, _ = make_endpoint(URL, "repository.push", "job.finished", "repository.push")
    assert endpoint.event_types == ["job.finished", "repository.push"]
    assert refused(lambda: make_endpoint(URL, "token.create")) == (BadInput, "unknown_event_type")


def test_a_repeated_key_creates_one_endpoint_and_shows_no_secret_again(acme: Acme, tenant: Namespace) -> None:
    def create(url: str = URL, actor: str = "alice") -> services.Created:
        return endpoint_create(actor=acme.who(actor), namespace=tenant, url=url, idempotency_key="k")

    first, again = create(), create(actor="carol")
    assert first.endpoint.id == again.endpoint.id
    assert first.secret is not None and again.secret is None
    assert Endpoint.objects.count() == len(audited("webhook.create")) == 1
    assert refused(lambda: create("https://hooks.example/other")) == (Conflict, "idempotency_key_reused")
    endpoint_delete(actor=acme.who("alice"), endpoint=first.endpoint)
    assert refused(create) == (Gone, "webhook_deleted")


def test_a_namespace_has_so_many_endpoints_and_no_more(
    tenant: Namespace, make_endpoint: MakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MAX_ENDPOINTS", 2)
    make_endpoint(), make_endpoint()
    assert refused(make_endpoint) == (Conflict, "too_many_webhooks")
    assert Endpoint.objects.count() == 2


def test_changing_is_audited_and_the_same_again_is_nothing(
    acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint
) -> None:
    endpoint, secret = make_endpoint(URL)
    actor = acme.who("carol")
    changed = endpoint_update(
        actor=actor, endpoint=endpoint, url="https://hooks.example/new?key=x", event_types=["job.finished"]
    )
    assert (changed.url, changed.event_types) == ("https://hooks.example/new?key=x", ["job.finished"])
    assert secret_of(changed) == secret
    endpoint_update(actor=actor, endpoint=changed, url=changed.url, event_types=["job.finished"])
    endpoint_update(actor=actor, endpoint=changed)
    (event,) = audited("webhook.update")
    assert event["metadata"] == {
        "url": "https://hooks.example/new",
        "event_types": ["job.finished"],
        "previous_url": "https://hooks.example/atrium",
        "previous_event_types": [],
    }
    assert refused(lambda: endpoint_update(actor=actor, endpoint=changed, url="nonsense")) == (
        BadInput,
        "bad_webhook_url",
    )
    assert refused(lambda: endpoint_update(actor=actor, endpoint=changed, event_types=["x"]))[1] == "unknown_event_type"


def test_deleting_takes_what_is_owed_along(acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    endpoint, _ = make_endpoint()
    delivery = Delivery.objects.create(
        endpoint=endpoint, namespace_id=tenant.id, event_id=endpoint.id, event_type="job.finished", body=b"{}"
    )
    Attempt.objects.create(
        delivery=delivery, namespace_id=tenant.id, number=1, at=endpoint.created_at, milliseconds=1, status=500
    )
    endpoint_delete(actor=acme.who("alice"), endpoint=endpoint)
    assert Endpoint.objects.count() == Delivery.objects.count() == Attempt.objects.count() == 0
    assert len(audited("webhook.delete")) == 1
    assert refused(lambda: endpoint_delete(actor=acme.who("alice"), endpoint=endpoint)) == (Gone, "webhook_deleted")


def test_enabling_an_enabled_endpoint_is_nothing(acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    endpoint, _ = make_endpoint()
    endpoint_enable(actor=acme.who("alice"), endpoint=endpoint)
    assert audited("webhook.enable") == []


OUTSIDERS: dict[str, Callable[[Acme], Principal]] = {
    "anonymous": lambda acme: anonymous(),
    "stranger": lambda acme: acme.who("charlie"),
    "member": lambda acme: acme.who("bob"),
    "a job of the owner": lambda acme: narrowed(acme.alice),
}


@pytest.mark.parametrize("who", OUTSIDERS)
def test_for_others_webhooks_do_not_exist(acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint, who: str) -> None:
    endpoint, _ = make_endpoint()
    actor = OUTSIDERS[who](acme)
    acts: list[Callable[[], Any]] = [
        lambda: endpoints_of(actor, tenant),
        lambda: endpoint_find(actor, tenant, endpoint.external_id),
        lambda: deliveries_of(actor, tenant),
        lambda: endpoint_create(actor=actor, namespace=tenant, url=URL),
        lambda: endpoint_update(actor=actor, endpoint=endpoint, url=URL),
        lambda: endpoint_delete(actor=actor, endpoint=endpoint),
        lambda: endpoint_enable(actor=actor, endpoint=endpoint),
    ]
    assert {refused(act)[0] for act in acts} == {NotFound}
    assert Endpoint.objects.count() == 1


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_owners_and_maintainers_manage_webhooks(acme: Acme, tenant: Namespace, who: str) -> None:
    actor = acme.who(who)
    endpoint = endpoint_create(actor=actor, namespace=tenant, url=URL).endpoint
    assert [row.id for row in endpoints_of(actor, tenant)] == [endpoint.id]
    endpoint_delete(actor=actor, endpoint=endpoint_find(actor, tenant, endpoint.external_id))


def test_a_read_token_reads_only(acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    make_endpoint()
    who = acme.who("alice")
    reader = Principal(kind=who.kind, user_id=who.user_id, username=who.username, can_write=False)
    assert endpoints_of(reader, tenant).count() == 1
    assert refused(lambda: endpoint_create(actor=reader, namespace=tenant, url=URL)) == (
        Forbidden,
        "token_is_read_only",
    )


def test_a_person_has_webhooks_too(acme: Acme) -> None:
    own = personal(acme.bob)
    endpoint_create(actor=acme.who("bob"), namespace=own, url=URL)
    assert refused(lambda: endpoint_create(actor=acme.who("alice"), namespace=own, url=URL))[0] is NotFound


def test_an_id_of_another_namespace_leads_nowhere(acme: Acme, tenant: Namespace, make_endpoint: MakeEndpoint) -> None:
    mine, _ = make_endpoint()
    other = make_organisation("other", owner=acme.alice)
    with within(other.id):
        assert refused(lambda: endpoint_find(acme.who("alice"), other, mine.external_id))[1] == "webhook_not_found"
    for text in ("whk_x", mine.external_id.replace("whk", "job"), str(mine.id), ""):
        assert refused(lambda text=text: endpoint_find(acme.who("alice"), tenant, text))[1] == "webhook_not_found"
    assert refused(lambda: delivery_find(acme.who("alice"), tenant, mine, "dlv_x"))[1] == "delivery_not_found"


def test_webhooks_are_shut_without_a_tenant(acme: Acme) -> None:
    for model in (Endpoint, Delivery, Attempt):
        with pytest.raises(ScopeError):
            model.objects.count()
