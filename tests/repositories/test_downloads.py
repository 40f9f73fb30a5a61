"""`Range` (RFC 9110 §14.2), pointers and signed addresses: small functions that every transfer goes through."""

from __future__ import annotations

import pytest
from django.core import signing as django_signing

from apps.core.errors import Forbidden, RangeNotSatisfiable
from apps.repositories import signing
from apps.repositories.downloads import Span, span_of
from apps.repositories.git.pointers import MAX_POINTER, Pointer, parse, render
from apps.repositories.signing import Transfer, read_store, read_transfer, sign_store, sign_transfer

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("header", "first", "length", "partial"),
    [
        (None, 0, 100, False),
        ("bytes=0-", 0, 100, True),
        ("bytes=0-0", 0, 1, True),
        ("bytes=99-", 99, 1, True),
        ("bytes=10-19", 10, 10, True),
        ("bytes=90-1000", 90, 10, True),
        ("bytes=-10", 90, 10, True),
        ("bytes=-1000", 0, 100, True),
        (" bytes=5-6 ", 5, 2, True),
        ("bytes=9-5", 0, 100, False),
        ("bytes=-", 0, 100, False),
        ("bytes=0-1,5-6", 0, 100, False),
        ("items=0-1", 0, 100, False),
        ("bytes=a-b", 0, 100, False),
        ("bytes=" + "9" * 400 + "-", 0, 100, False),
    ],
)
def test_a_range_is_answered_in_part_or_the_whole_is(
    header: str | None, first: int, length: int, partial: bool
) -> None:
    assert span_of(header, 100) == Span(first, length, partial)


@pytest.mark.parametrize(("header", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0), ("bytes=-5", 0)])
def test_a_range_outside_the_file_says_how_long_it_is(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        span_of(header, size)
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


def test_a_pointer_is_read_back() -> None:
    assert parse(render(Pointer(SHA256, 12345))) == Pointer(SHA256, 12345)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"version https://git-lfs.github.com/spec/v1\n",
        render(Pointer(SHA256, 1)).replace(b"spec/v1", b"spec/v2"),
        render(Pointer(SHA256.upper(), 1)),
        render(Pointer(SHA256[:-1], 1)),
        render(Pointer(SHA256, 1)).replace(b"size 1", b"size -1"),
        render(Pointer(SHA256, 1)) + b"more\n",
        render(Pointer(SHA256, 1)) + b"\n" * MAX_POINTER,
    ],
)
def test_what_is_nearly_a_pointer_is_an_ordinary_file(content: bytes) -> None:
    assert parse(content) is None


UPLOAD = Transfer("upload", "1", SHA256, 5)


def test_a_signed_address_lets_one_thing_be_done() -> None:
    text = sign_transfer(UPLOAD)
    assert read_transfer(text, "upload") == UPLOAD
    for operation in ("download", "verify"):
        with pytest.raises(Forbidden, match="not for"):
            read_transfer(text, operation)


def test_a_changed_or_borrowed_signature_opens_nothing() -> None:
    text = sign_transfer(UPLOAD)
    for bad in (
        "",
        "x",
        text[:-1],
        "a" + text,
        sign_store("1", write=True),
        django_signing.dumps({"operation": "upload"}),
    ):
        with pytest.raises(Forbidden):
            read_transfer(bad, "upload")


def test_a_signature_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    text, store = sign_transfer(UPLOAD), sign_store("1", write=True)
    monkeypatch.setattr(signing, "TRANSFER_SECONDS", -1)
    monkeypatch.setattr(signing, "STORE_SECONDS", -1)
    with pytest.raises(Forbidden) as caught:
        read_transfer(text, "upload")
    assert caught.value.code == "address_expired"
    with pytest.raises(Forbidden):
        read_store(store, "1")


def test_a_store_token_is_for_one_store_and_says_whether_it_writes() -> None:
    read_store(sign_store("1", write=True), "1")
    for bad in (sign_store("2", write=True), sign_store("1", write=False), sign_transfer(UPLOAD), ""):
        with pytest.raises(Forbidden):
            read_store(bad, "1")
