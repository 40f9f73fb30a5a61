"""A webhook receiver on the one local port that the server may call; it keeps what arrived, byte for byte."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes


@dataclass
class Inbox:
    """Requests in the order of their arrival."""

    _items: list[Received] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, item: Received) -> None:
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def wait_for(self, wanted: Callable[[Received], bool], *, seconds: float) -> Received | None:
        """The first request that is wanted, or None when none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: any(map(wanted, self._items)), seconds)
            return next(filter(wanted, self._items), None)


@contextmanager
def receiver(port: int) -> Iterator[Inbox]:
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            inbox.put(Received({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the report says what arrived."""

    listener = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        listener.shutdown()
        listener.server_close()
