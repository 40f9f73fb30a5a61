"""When to try again: ten attempts over three days, later where the receiver asks for it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# Before each attempt, counted from the one before it. The last comes 75:35:05 after the event.
DELAYS = (
    timedelta(0),
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# Deliveries that failed together do not come back together.
JITTER = 0.1
MAX_RETRY_AFTER = timedelta(hours=24)
# An endpoint with nothing but failures for so long is disabled.
GIVE_UP_AFTER = timedelta(hours=120)
# Answers of a receiver, or of what stands before it, that has too much to do: all deliveries to it wait.
OVERLOADED = frozenset({429, 502, 504})
SLOW_DOWN = timedelta(seconds=30)


def delay_before(number: int, *, retry_after: timedelta | None = None) -> timedelta | None:
    """How long to wait before the attempt of that number (from 1), or None when there is none left."""
    if number > len(DELAYS):
        return None
    delay = DELAYS[number - 1] * (1 + random.uniform(0, JITTER))
    return max(delay, retry_after) if retry_after else delay


def parse_retry_after(value: str | None, *, now: datetime) -> timedelta | None:
    """The header in seconds or as a date (RFC 9110 §10.2.3), at most a day; None for what is neither."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        wanted = timedelta(seconds=min(int(text[:9]), MAX_RETRY_AFTER.total_seconds()))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wanted = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(wanted, timedelta(0)), MAX_RETRY_AFTER)
