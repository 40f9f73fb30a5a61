"""Ten attempts over 75 hours, 35 minutes and 5 seconds, later where the receiver asks for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.webhooks.retries import DELAYS, MAX_RETRY_AFTER, delay_before, parse_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_the_schedule() -> None:
    assert [delay.total_seconds() for delay in DELAYS] == [
        0, 5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600,
    ]  # fmt: skip
    assert sum(DELAYS, timedelta(0)) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize("number", range(1, 11))
def test_jitter_adds_up_to_a_tenth(number: int) -> None:
    base = DELAYS[number - 1]
    for _ in range(50):
        delay = delay_before(number)
        assert delay is not None and base <= delay <= base * 1.1


def test_jitter_spreads() -> None:
    assert len({delay_before(4) for _ in range(20)}) > 10


def test_there_is_no_eleventh_attempt() -> None:
    assert delay_before(11) is None
    assert delay_before(11, retry_after=timedelta(seconds=1)) is None


def test_a_receiver_can_ask_for_later_but_not_for_sooner() -> None:
    assert delay_before(2, retry_after=timedelta(minutes=10)) == timedelta(minutes=10)
    later = delay_before(4, retry_after=timedelta(seconds=1))
    assert later is not None and later >= timedelta(minutes=30)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("120", 120), (" 7 ", 7), ("9" * 30, 86400), ("Sun, 01 Mar 2026 12:05:00 GMT", 300),
        ("Sun, 01 Mar 2026 12:05:00 -0000", 300), ("Sun, 01 Mar 2026 11:00:00 GMT", 0), ("Fri, 01 Jan 2100 00:00:00 GMT", 86400),
        (None, None), ("", None), ("soon", None), ("-5", None), ("1.5", None), ("１０", None), ("Sun, 99 Foo 2026", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_forms(value: str | None, seconds: int | None) -> None:
    found = parse_retry_after(value, now=NOW)
    assert found == (None if seconds is None else timedelta(seconds=seconds))
    assert found is None or found <= MAX_RETRY_AFTER
