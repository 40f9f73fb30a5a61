"""One function says who is asking; what is wrong is refused and never becomes anonymous."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from apps.accounts.authentication import BAD_CREDENTIALS, authenticate, principal_of
from apps.accounts.models import User
from apps.core.errors import NotAuthenticated
from apps.core.principal import Kind, Principal
from tests.factories import make_token

pytestmark = pytest.mark.django_db


def ask(header: str | None, **others: str) -> Principal:
    headers = {} if header is None else {"authorization": header}
    return authenticate({**headers, **others}, "192.0.2.1", request_id="r-1")


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


FORMS: dict[str, Callable[[str], str]] = {
    "bearer": lambda text: f"Bearer {text}",
    "bearer in small letters": lambda text: f"bearer  {text} ",
    "basic with the person's name": lambda text: basic("alice", text),
    "basic with any name": lambda text: basic("hf_user", text),
    "basic without a name": lambda text: basic("", text),
    "basic in the person's place": lambda text: basic(text, ""),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_token_is_taken_in_every_form_that_clients_send(alice: User, form: str) -> None:
    token, text = make_token(alice)
    actor = ask(FORMS[form](text), **{"user-agent": "git/2.47"})
    assert (actor.kind, actor.user_id, actor.username, actor.token_id) == (Kind.USER, alice.id, "alice", token.id)
    assert (actor.can_write, actor.narrowing, actor.is_operator) == (True, None, False)
    assert (actor.address, actor.user_agent, actor.request_id) == ("192.0.2.1", "git/2.47", "r-1")


@pytest.mark.parametrize("header", [None, "", "   ", basic("", ""), "Basic Og==", "Basic"])
def test_without_credentials_the_caller_is_anonymous(header: str | None) -> None:
    actor = ask(header)
    assert (actor.kind, actor.user_id, actor.is_authenticated, actor.can_write) == (Kind.ANONYMOUS, None, False, False)


# Well formed, and nobody's; written out, because every test worker must collect the same cases.
UNKNOWN = "atr_pat_012345678901234567890123456789AB2tbk33"


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {UNKNOWN}", basic("alice", UNKNOWN), "Bearer", "Bearer ", "Bearer nonsense", "Bearer hf_" + "a" * 34,
        f"Bearer {UNKNOWN[:-1]}", f"Bearer {UNKNOWN}x", f"Bearer {UNKNOWN} {UNKNOWN}", "Bearer \x00", "Bearer ä",
        basic("alice", "correct horse battery"), basic("alice", ""), "Basic %%%", "Basic /////w==",
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(), f"Token {UNKNOWN}", "Digest username=alice", UNKNOWN,
        "Negotiate YII=", "Bearer " + "x" * 100_000,
    ],
)  # fmt: skip
def test_bad_credentials_never_become_anonymous(alice: User, header: str) -> None:
    with pytest.raises(NotAuthenticated) as raised:
        ask(header)
    assert (raised.value.code, raised.value.message) == ("bad_credentials", BAD_CREDENTIALS)


def test_what_is_malformed_never_reaches_the_database(django_assert_num_queries: Callable[..., object]) -> None:
    with django_assert_num_queries(0), pytest.raises(NotAuthenticated):  # type: ignore[attr-defined]
        ask("Bearer atr_pat_" + "0" * 38)


def test_a_read_token_does_not_write(alice: User) -> None:
    _, text = make_token(alice, role="read")
    assert not ask(f"Bearer {text}").can_write


def test_an_operator_is_known_as_one(alice: User) -> None:
    User.objects.filter(id=alice.id).update(is_superuser=True)
    _, text = make_token(alice)
    assert ask(f"Bearer {text}").is_operator


def test_a_long_user_agent_is_cut(alice: User) -> None:
    assert len(ask(None, **{"user-agent": "x" * 5000}).user_agent) == 512


def test_an_audit_row_says_whether_person_or_token(alice: User) -> None:
    token, text = make_token(alice)
    assert ask(f"Bearer {text}").as_json() == {
        "type": "token", "id": str(alice.id), "name": "alice", "token_id": str(token.id),
    }  # fmt: skip
    assert principal_of(alice).as_json()["type"] == "user"
    assert ask(None).as_json() == {"type": "anonymous", "id": None, "name": "", "token_id": None}
