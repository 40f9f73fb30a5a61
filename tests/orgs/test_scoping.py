"""Forgetting to say whose rows are meant, or who is asking, is an error and not a leak."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.apps import apps
from django_scopes.exceptions import ScopeError

from apps.core.errors import NotFound
from apps.core.principal import anonymous
from apps.orgs.scoping import namespace_named, within
from apps.repositories.models import Repository, UnscopedRead
from tests.factories import make_repository, personal
from tests.orgs.conftest import Acme

pytestmark = pytest.mark.django_db
PRIVATE_BY_NATURE = {
    "core.AuditEvent", "accounts.AccessToken", "billing.UsageEvent", "webhooks.Endpoint", "webhooks.Delivery", "webhooks.Attempt",
    "jobs.Job", "jobs.JobLogLine", "jobs.JobArtefact",
}  # fmt: skip
# Tables of a namespace that are shut in another way, or that hold nothing a tenant would want to hide from another.
SHUT_OTHERWISE = {
    "core.AuditLink", "core.AuditHead", "core.OutboxEvent", "core.IdempotencyKey", "orgs.Membership", "orgs.Project",
    "repositories.Repository", "repositories.StoredObject", "repositories.RefUpdateIntent",
}  # fmt: skip


@pytest.mark.parametrize("label", sorted(PRIVATE_BY_NATURE))
def test_a_query_without_a_tenant_raises(label: str) -> None:
    model: Any = apps.get_model(label)
    for query in (
        model.objects.all,
        model.objects.count,
        lambda: model.objects.filter(pk=uuid.uuid4()),
        model.objects.first,
    ):
        with pytest.raises(ScopeError):
            list(query())
    with within(uuid.uuid4()):
        assert not model.objects.exists()


def test_every_table_of_a_tenant_was_thought_about() -> None:
    ours = ("apps.",)
    tenants = {
        model._meta.label
        for model in apps.get_models()
        if model.__module__.startswith(ours)
        and any(field.name in {"namespace", "namespace_id"} for field in model._meta.fields)
    }
    assert tenants - PRIVATE_BY_NATURE - SHUT_OTHERWISE == set()


def test_repositories_are_not_read_without_saying_for_whom(acme: Acme) -> None:
    make_repository(acme.namespace)
    for query in (
        Repository.objects.all, lambda: Repository.objects.get(name="clip"), Repository.objects.count,
        lambda: Repository.objects.filter(name="clip"), lambda: list(Repository.objects.iterator()),
        lambda: Repository.objects.unscoped(reason=""),
    ):  # fmt: skip
        with pytest.raises(UnscopedRead):
            query()
    assert Repository.objects.unscoped(reason="a test").count() == 1


def test_repositories_are_visible_to_those_who_may_read_them(acme: Acme) -> None:
    hidden = make_repository(acme.namespace, "hidden")
    shown = make_repository(acme.namespace, "shown", visibility="public")
    own = make_repository(personal(acme.charlie), "own")
    expected = {"alice": {hidden, shown}, "carol": {hidden, shown}, "bob": {hidden, shown}, "charlie": {shown, own}}
    for name, repositories in expected.items():
        assert set(Repository.objects.visible_to(acme.who(name))) == repositories, name
    assert set(Repository.objects.visible_to(anonymous())) == {shown}


def test_a_list_for_somebody_is_two_queries_and_one_more(acme: Acme, django_assert_num_queries: Any) -> None:
    for number in range(5):
        make_repository(acme.namespace, f"r{number}")
    with django_assert_num_queries(3):
        assert len(Repository.objects.visible_to(acme.who("bob"))) == 5


@pytest.mark.parametrize("name", ["acme", "ACME", "Acme"])
def test_a_namespace_is_found_in_any_case(acme: Acme, name: str) -> None:
    assert namespace_named(name) == acme.namespace


@pytest.mark.parametrize("name", ["", "nobody", "acme ", "acme\x00", "%", "x" * 5000])
def test_what_is_not_there_is_not_found(acme: Acme, name: str) -> None:
    with pytest.raises(NotFound) as raised:
        namespace_named(name)
    assert raised.value.code == "namespace_not_found"
