"""The body of a webhook: made once, kept as bytes, the same at every attempt, and smaller than 20 kB in any case."""

from __future__ import annotations

import json
from typing import Any

from apps.core.models import OutboxEvent

MAX_BODY = 20_000


def body_of(event: OutboxEvent) -> bytes:
    """`{"type", "timestamp", "data"}` as UTF-8 JSON. What does not fit is left out and named in `data.omitted`."""
    data: dict[str, Any] = json.loads(json.dumps(event.payload))
    body = _encoded(event, data)
    omitted: list[str] = []
    while len(body) >= MAX_BODY:
        omitted.append(_drop_largest(data))
        body = _encoded(event, {**data, "omitted": omitted})
    return body


def _encoded(event: OutboxEvent, data: dict[str, Any]) -> bytes:
    timestamp = event.created_at.isoformat().replace("+00:00", "Z")
    document = {"type": event.type, "timestamp": timestamp, "data": data}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _drop_largest(data: dict[str, Any]) -> str:
    """Removes the largest field (of `data` or of an object in it) and returns its dotted name."""
    places = [
        (data, name, name) if not isinstance(value, dict) or not value else (value, inner, f"{name}.{inner}")
        for name, value in data.items()
        for inner in (value if isinstance(value, dict) and value else [""])
    ]
    holder, key, path = max(places, key=lambda place: len(json.dumps(place[0][place[1]])))
    del holder[key]
    return path
