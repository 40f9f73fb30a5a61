"""Errors are answered in the dialect of the address that was asked, with a stable code and the request's id."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.test import Client, RequestFactory
from pydantic import BaseModel, ValidationError
from rest_framework import exceptions as drf

from apps.accounts.middleware import PrincipalMiddleware
from apps.core import errors
from apps.core.answers import error_response, header_text, hub_headers, problem_body
from apps.core.errors import AtriumError, BadInput, NotFound
from apps.core.middleware import as_atrium_error, request_id_from
from apps.core.rest import _from_drf, from_pydantic

ALL = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, AtriumError)]


def test_every_error_has_a_code_and_a_title_of_its_own() -> None:
    assert len({error.code for error in ALL}) == len(ALL) == len({error.title for error in ALL})
    assert all(re.fullmatch(r"[a-z_]+", error.code) and 400 <= error.status <= 503 for error in ALL)


def test_every_code_is_a_stable_word() -> None:
    """Codes are written in the source as literals, in one form."""
    for path in Path("apps").rglob("*.py"):
        for code in re.findall(r"""\bcode=["']([^"']+)["']""", path.read_text()):
            assert re.fullmatch(r"[a-z0-9_.]+", code), (path, code)


def test_a_problem_document_says_what_is_wrong() -> None:
    error = BadInput("limit must be a positive number.", code="bad_limit", field="limit", status="not this one")
    body = problem_body(error, instance="/api/v1/x", request_id="r-1")
    assert body == {
        "type": "/docs/errors#bad_limit",
        "title": "The request is not valid",
        "status": 400,
        "detail": "limit must be a positive number.",
        "code": "bad_limit",
        "instance": "/api/v1/x",
        "request_id": "r-1",
        "field": "limit",
    }


def test_hub_headers_choose_the_clients_exception() -> None:
    headers = hub_headers(NotFound("No such\r\nrevision: é", hub_code="RevisionNotFound"))
    assert headers == {"X-Error-Message": "No such revision: ?", "X-Error-Code": "RevisionNotFound"}
    assert "X-Error-Code" not in hub_headers(NotFound())
    assert len(header_text("x" * 1000)) == 500


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/api/v1/x", "application/problem+json"),
        ("/api/models/x", "application/json"),
        ("/x", "text/html; charset=utf-8"),
    ],
)
@pytest.mark.django_db
def test_errors_speak_the_dialect_of_the_address(client: Client, path: str, content_type: str) -> None:
    answer = client.get(path + "/no/such/address/at/all/whatever", headers={"X-Request-Id": "r-1"})
    assert answer.status_code == 404
    assert answer["Content-Type"] == content_type
    assert answer["X-Request-Id"] == "r-1"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "content_type"), [("/api/v1/tokens", "application/problem+json"), ("/", "text/html; charset=utf-8")]
)
def test_a_host_that_is_not_ours_is_refused_in_dialect(client: Client, path: str, content_type: str) -> None:
    answer = client.get(path, headers={"Host": "elsewhere.example"})
    assert (answer.status_code, answer["Content-Type"]) == (400, content_type)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/api/v1/flavours", "application/problem+json"), ("/healthz", "text/html; charset=utf-8")],
)
def test_a_defect_is_answered_in_dialect_and_tells_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, path: str, content_type: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(PrincipalMiddleware, "_principal", fail)
    client.raise_request_exception = False
    answer = client.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (500, content_type)
    assert b"a secret" not in answer.content


@pytest.mark.django_db
def test_bad_credentials_are_answered_in_dialect_too(client: Client) -> None:
    ours = client.get("/api/v1/tokens", headers={"Authorization": "Bearer nonsense"})
    hub = client.get("/api/models", headers={"Authorization": "Bearer nonsense"})
    assert (ours.status_code, ours.json()["code"]) == (401, "bad_credentials")
    assert (hub.status_code, hub["X-Error-Message"]) == (401, "Invalid credentials in Authorization header")


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (Http404(), 404),
        (PermissionDenied(), 403),
        (RequestDataTooBig(), 413),
        (SuspiciousOperation(), 400),
        (NotFound(), 404),
    ],
)
def test_djangos_exceptions_are_in_the_taxonomy(raised: Exception, status: int) -> None:
    known = as_atrium_error(raised)
    assert known is not None and known.status == status


def test_a_defect_is_not_taken_for_an_expected_error() -> None:
    assert as_atrium_error(ZeroDivisionError()) is None
    assert _from_drf(ZeroDivisionError()) is None


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (drf.ValidationError({"name": ["required"]}), 400, "bad_input"),
        (drf.ParseError(), 400, "malformed"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (drf.PermissionDenied("CSRF Failed"), 403, "csrf_failed"),
        (drf.UnsupportedMediaType("text/plain"), 415, "unsupported_media_type"),
        (drf.NotAcceptable(), 406, "not_acceptable"),
    ],
)
def test_drfs_exceptions_are_in_the_taxonomy(raised: Exception, status: int, code: str) -> None:
    known = _from_drf(raised)
    assert known is not None and (known.status, known.code) == (status, code)


def test_a_specifications_errors_name_the_field() -> None:
    class Inner(BaseModel):
        size: int

    class Spec(BaseModel):
        inner: Inner

    with pytest.raises(ValidationError) as raised:
        Spec.model_validate({"inner": {"size": "secret-value"}})
    problem = from_pydantic(raised.value, code="bad_spec")
    assert (problem.code, problem.data["errors"][0]["field"]) == ("bad_spec", "inner.size")
    assert "secret-value" not in json.dumps(problem.data)


@pytest.mark.parametrize(
    ("header", "trace", "taken"),
    [
        ("r-1", None, "r-1"),
        (None, "Root=1-67891233-abcdef012345678912345678", "Root=1-67891233-abcdef012345678912345678"),
        ("r-1", "t-1", "r-1"),
        ("two words", "t-1", "t-1"),
        ("line\nbreak", None, None),
        ("x" * 129, None, None),
        ("", "", None),
    ],
)
def test_a_request_keeps_an_id_that_is_harmless_in_a_log(
    header: str | None, trace: str | None, taken: str | None
) -> None:
    found = request_id_from(header, trace)
    assert found == taken if taken else re.fullmatch(r"[0-9a-f]{32}", found)


def test_pages_say_it_in_words() -> None:
    request = RequestFactory().get("/alice/clip")
    request.request_id = "r-1"  # type: ignore[attr-defined]
    page = error_response(NotFound("There is no <b>clip</b> here."), request)
    assert page.status_code == 404
    assert b"&lt;b&gt;clip&lt;/b&gt;" in page.content
