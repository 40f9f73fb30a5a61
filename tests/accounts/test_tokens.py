"""Tokens are made and revoked by their owner, stored as an HMAC, and dead at once when revoked, expired or found by others."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django_scopes import scope, scopes_disabled
from django_scopes.exceptions import ScopeError

from apps.accounts import services
from apps.accounts.authentication import authenticate, principal_of
from apps.accounts.models import AccessToken, User
from apps.accounts.selectors import tokens_of
from apps.accounts.services import (
    job_token_issue,
    job_tokens_revoke,
    leaked_tokens_revoke,
    token_create,
    token_of,
    token_revoke,
)
from apps.core.errors import AtriumError, BadInput, Conflict, Forbidden, NotAuthenticated, NotFound
from apps.core.models import AuditEvent
from apps.core.principal import Narrowing, Principal, anonymous
from tests.factories import make_token, narrowed, personal

pytestmark = pytest.mark.django_db
LATER = timedelta(hours=1)


def who(text: str) -> Principal:
    return authenticate({"authorization": f"Bearer {text}"}, "192.0.2.1")


def lives(text: str) -> bool:
    try:
        return who(text).is_authenticated
    except NotAuthenticated:
        return False


def code_of(act: Callable[[], Any]) -> tuple[type[AtriumError], str]:
    with pytest.raises(AtriumError) as raised:
        act()
    return type(raised.value), raised.value.code


def audited(action: str) -> list[dict[str, Any]]:
    with scopes_disabled():
        return [json.loads(bytes(event.body)) for event in AuditEvent.objects.filter(action=action)]


def create(user: User, *, actor: Principal | None = None, **fields: Any) -> tuple[AccessToken, str]:
    wanted: dict[str, Any] = {"name": "laptop", "role": "write", "expires_at": timezone.now() + LATER, **fields}
    return token_create(actor=actor or principal_of(user), user=user, namespace_id=personal(user).id, **wanted)


def test_only_the_hmac_is_stored(alice: User) -> None:
    _, text = create(alice)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM accounts_accesstoken t")
        (row,) = cursor.fetchone()
    assert text not in row
    assert text[12:] not in row
    assert text[:12] in row


def test_making_and_revoking_are_audited_without_the_text(alice: User) -> None:
    token, text = create(alice)
    token_revoke(actor=principal_of(alice), token=token)
    (made,), (revoked,) = audited("token.create"), audited("token.revoke")
    assert made["targets"] == revoked["targets"] == [{"type": "token", "id": str(token.id), "name": "laptop"}]
    assert made["metadata"] == {"role": "write", "prefix": text[:12]}
    assert text not in json.dumps([made, revoked])
    assert uuid.UUID(made["namespace_id"]) == personal(alice).id


def test_a_revoked_token_is_dead_at_once_and_twice_is_once(alice: User) -> None:
    token, text = create(alice)
    assert lives(text)
    token_revoke(actor=principal_of(alice), token=token)
    assert not lives(text)
    token_revoke(actor=principal_of(alice), token=token)
    assert not lives(text)
    assert [event["metadata"]["already_revoked"] for event in audited("token.revoke")] == [False, True]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": ""}, "bad_token_name"), ({"name": "   "}, "bad_token_name"), ({"name": "x" * 101}, "bad_token_name"),
        ({"name": "a\x00b"}, "bad_token_name"), ({"name": "a\nb"}, "bad_token_name"),
        ({"role": "admin"}, "bad_token_role"), ({"role": ""}, "bad_token_role"),
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "bad_expiry"),
    ],
)  # fmt: skip
def test_a_token_that_makes_no_sense_is_refused(alice: User, fields: dict[str, Any], code: str) -> None:
    assert code_of(lambda: create(alice, **fields)) == (BadInput, code)


def test_names_of_living_tokens_are_taken(alice: User, charlie: User) -> None:
    token, _ = create(alice)
    assert code_of(lambda: create(alice)) == (Conflict, "token_name_taken")
    assert len(audited("token.create")) == 1
    create(charlie)
    token_revoke(actor=principal_of(alice), token=token)
    create(alice)


def test_an_account_has_so_many_tokens_and_no_more(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MAX_TOKENS", 2)
    token, _ = create(alice, name="one")
    create(alice, name="two")
    assert code_of(lambda: create(alice, name="three")) == (Conflict, "too_many_tokens")
    token_revoke(actor=principal_of(alice), token=token)
    create(alice, name="three")


STRANGERS: dict[str, Callable[[User, User], Principal]] = {
    "anonymous": lambda alice, charlie: anonymous(),
    "another person": lambda alice, charlie: principal_of(charlie),
    "a read token": lambda alice, charlie: who(make_token(alice, role="read")[1]),
    "a job": lambda alice, charlie: narrowed(alice),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_nobody_else_makes_or_revokes_tokens(alice: User, charlie: User, stranger: str) -> None:
    token, text = create(alice)
    actor = STRANGERS[stranger](alice, charlie)
    assert code_of(lambda: create(alice, actor=actor, name="other"))[0] is Forbidden
    assert code_of(lambda: token_revoke(actor=actor, token=token))[0] is Forbidden
    assert lives(text)


def test_a_write_token_manages_tokens(alice: User) -> None:
    _, text = create(alice)
    token, _ = create(alice, actor=who(text), name="second")
    token_revoke(actor=who(text), token=token)
    assert audited("token.revoke")[0]["actor"]["type"] == "token"


def test_an_expired_token_is_dead(alice: User) -> None:
    token, text = create(alice)
    with scopes_disabled():
        AccessToken.objects.filter(id=token.id).update(expires_at=timezone.now())
    assert code_of(lambda: who(text)) == (NotAuthenticated, "token_expired")


def test_a_token_may_live_for_ever(alice: User) -> None:
    _, text = create(alice, expires_at=None)
    assert lives(text)


def test_a_token_dies_with_its_owners_account(alice: User) -> None:
    _, text = create(alice)
    User.objects.filter(id=alice.id).update(is_active=False)
    assert not lives(text)


def test_the_last_use_is_noted_at_most_once_a_minute(alice: User, django_assert_num_queries: Any) -> None:
    token, text = create(alice)
    with django_assert_num_queries(2):
        who(text)
    with django_assert_num_queries(1):
        who(text)
    with scopes_disabled():
        row = AccessToken.objects.get(id=token.id)
        assert row.last_used_at is not None
        AccessToken.objects.filter(id=token.id).update(last_used_at=timezone.now() - timedelta(seconds=61))
    with django_assert_num_queries(2):
        who(text)


def test_whoever_finds_a_token_can_end_it(alice: User, charlie: User) -> None:
    (_, one), (_, two), (_, other) = create(alice), create(alice, name="second"), create(charlie)
    texts = [one, two, one, "nonsense", "", "atr_pat_" + "0" * 38, one[:-1]]
    assert leaked_tokens_revoke(actor=anonymous(address="192.0.2.9"), texts=texts) == 2
    assert (lives(one), lives(two), lives(other)) == (False, False, True)
    events = audited("token.revoke_leaked")
    assert len(events) == 2
    assert {event["address"] for event in events} == {"192.0.2.9"}
    assert {uuid.UUID(event["namespace_id"]) for event in events} == {personal(alice).id}
    assert leaked_tokens_revoke(actor=anonymous(), texts=[one]) == 0


def test_a_job_token_is_narrow_hidden_and_ends_with_the_job(alice: User) -> None:
    job, reads, writes = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    namespace = personal(alice)
    text = job_token_issue(
        user=alice,
        namespace_id=namespace.id,
        job_id=job,
        narrowing=Narrowing(read=frozenset({reads}), write=frozenset({writes})),
        lifetime=LATER,
    )
    actor = who(text)
    assert text.startswith("atr_job_")
    assert actor.narrowing == Narrowing(read=frozenset({reads}), write=frozenset({writes}))
    with scope(namespace=namespace.id):
        assert list(tokens_of(principal_of(alice))) == []
        token = AccessToken.objects.get()
    assert code_of(lambda: token_of(actor=principal_of(alice), token_id=token.id)) == (NotFound, "token_not_found")
    job_tokens_revoke(namespace_id=namespace.id, job_id=job)
    assert not lives(text)


def test_a_person_sees_only_his_own_living_tokens(alice: User, charlie: User) -> None:
    mine, _ = create(alice)
    gone, _ = create(alice, name="gone")
    theirs, _ = create(charlie)
    token_revoke(actor=principal_of(alice), token=gone)
    with scope(namespace=personal(alice).id):
        assert list(tokens_of(principal_of(alice))) == [mine]
    assert token_of(actor=principal_of(alice), token_id=mine.id) == mine
    for actor, token in ((alice, theirs), (charlie, mine)):
        assert (
            code_of(lambda actor=actor, token=token: token_of(actor=principal_of(actor), token_id=token.id))[0]
            is NotFound
        )
    assert code_of(lambda: token_of(actor=anonymous(), token_id=mine.id))[0] is NotAuthenticated


def test_tokens_are_shut_without_a_tenant(alice: User) -> None:
    with pytest.raises(ScopeError):
        AccessToken.objects.count()
