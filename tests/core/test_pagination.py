"""Pages show each row once, whatever is added while somebody turns them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone

from apps.core.errors import BadInput
from apps.core.models import OutboxEvent
from apps.core.pagination import decode_cursor, encode_cursor, next_link, paginate, parse_limit


def add(count: int) -> list[uuid.UUID]:
    rows = [
        OutboxEvent(namespace_id=uuid.UUID(int=7), type="t", payload={}, created_at=timezone.now())
        for _ in range(count)
    ]
    return [row.id for row in OutboxEvent.objects.bulk_create(rows)]


@pytest.mark.django_db
@pytest.mark.parametrize("removed", [False, True])
def test_pages_are_stable_while_rows_are_added_and_removed(removed: bool) -> None:
    before = add(7)
    seen: list[uuid.UUID] = []
    cursor = None
    while True:
        page = paginate(OutboxEvent.objects.all(), cursor=cursor, limit=3)
        seen += [row.id for row in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        add(2)
        if removed:
            # The row that the cursor names may go; its place remains.
            OutboxEvent.objects.filter(id=seen[-1]).delete()
    assert seen == sorted(before, reverse=True)


@pytest.mark.django_db
@pytest.mark.parametrize(("rows", "limit", "more"), [(0, 3, False), (3, 3, False), (4, 3, True), (2, 3, False)])
def test_a_cursor_is_given_when_there_is_more_and_only_then(rows: int, limit: int, more: bool) -> None:
    add(rows)
    page = paginate(OutboxEvent.objects.all(), cursor=None, limit=limit)
    assert len(page.items) == min(rows, limit)
    assert (page.next_cursor is not None) == more


@pytest.mark.django_db
def test_a_page_is_one_query(django_assert_num_queries: Any) -> None:
    add(9)
    with django_assert_num_queries(1):
        paginate(OutboxEvent.objects.all(), cursor=None, limit=5)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "cursor", ["x", "%%%", "é", "A" * 500, encode_cursor("not a uuid"), encode_cursor("\x00"), "_w"]
)
def test_a_cursor_of_somebody_elses_making_is_refused(cursor: str) -> None:
    with pytest.raises(BadInput) as raised:
        paginate(OutboxEvent.objects.all(), cursor=cursor, limit=5)
    assert raised.value.code == "bad_cursor"


def test_cursors_come_back() -> None:
    for text in ("a", "ab", "abc", "abcd", "ä€"):
        assert decode_cursor(encode_cursor(text)) == text


@pytest.mark.parametrize(
    ("raw", "limit"), [(None, 50), ("", 50), ("1", 1), ("1000", 1000), ("1001", 1000), ("9" * 40, 1000)]
)
def test_limits_within_reason_are_taken(raw: str | None, limit: int) -> None:
    assert parse_limit(raw) == limit


@pytest.mark.parametrize("raw", ["0", "-1", "1.5", "ten", "１", " 1", "1e3"])
def test_limits_that_are_no_positive_numbers_are_refused(raw: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse_limit(raw)
    assert raised.value.code == "bad_limit"


def test_the_link_to_the_next_page_keeps_the_question() -> None:
    request = RequestFactory().get(
        "/api/models?search=clip&filter=a&filter=b&cursor=old", headers={"host": "localhost"}
    )
    assert next_link(request, "new") == "http://localhost/api/models?search=clip&filter=a&filter=b&cursor=new"
    assert next_link(request, None) is None
