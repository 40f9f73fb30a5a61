"""`manage.py run ROLE`: one process of a server, or with `all` every one that this machine needs."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from celery import Celery
from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from saas.embedded.home import Home
from saas.supervisor import ROLES, Supervisor

GRACEFUL_SECONDS = 10


class Command(BaseCommand):
    help = "Run Atrium: `all` for a whole server on this machine, or one role of a server that spans several."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("role", nargs="?", default="all", choices=["all", *ROLES])

    def handle(self, *args: Any, role: str, **options: Any) -> None:
        if role == "all":
            sys.exit(self._all())
        getattr(self, f"_{role}")()

    def _all(self) -> int:
        def say(line: str) -> None:
            self.stdout.write(line)
            self.stdout.flush()

        home = Home(settings.ATRIUM_HOME)
        return asyncio.run(Supervisor(home, host=settings.ATRIUM_HOST, port=settings.ATRIUM_PORT, say=say).run())

    def _web(self) -> None:
        import uvicorn

        uvicorn.run(
            "saas.asgi:application",
            host=settings.ATRIUM_HOST,
            port=settings.ATRIUM_PORT,
            loop="uvloop",
            http="httptools",
            # Our own logging is configured already, and our own middleware writes the line per request.
            log_config=None,
            access_log=False,
            server_header=False,
            # Who may set X-Forwarded-*: nobody, unless the operator names a proxy.
            proxy_headers=bool(settings.ATRIUM_TRUSTED_PROXIES),
            forwarded_allow_ips=settings.ATRIUM_TRUSTED_PROXIES or None,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )

    def _control(self) -> None:
        # Threads: this work waits for networks and databases, and one process is all the memory that it deserves.
        from saas.celery import app

        _run_worker(app, "control", "control", concurrency=8)

    def _ml(self) -> None:
        # One job at a time, and that in a child of its own: this process only waits for it.
        from workers.app import app

        _run_worker(app, "ml", "ml.cpu", concurrency=1)

    def _scheduler(self) -> None:
        from saas.celery import app

        schedule = settings.CELERY_BEAT_SCHEDULE_FILENAME
        app.start(["--quiet", "beat", "--schedule", schedule, "--pidfile=", "--loglevel", "INFO"])


def _run_worker(app: Celery[Any], name: str, queue: str, *, concurrency: int) -> None:
    app.worker_main(
        [
            *("--quiet", "worker", "--queues", queue, "--hostname", f"{name}@%h", "--pool", "threads"),
            *("--concurrency", str(concurrency), "--without-gossip", "--without-mingle", "--loglevel", "INFO"),
        ]
    )
