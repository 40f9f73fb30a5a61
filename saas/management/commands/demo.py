"""`manage.py demo`: the main job through stock clients, on the running server or one of its own; the last line is one JSON object."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from saas.demo.journey import Journey, run
from saas.demo.receiver import receiver
from saas.demo.server import server


class Command(BaseCommand):
    help = (
        "Push a model and pictures, classify them, and check webhook, clone, audit and usage. Exits 0 only if all held."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        manage = settings.BASE_DIR / "manage.py"
        url = f"http://{settings.ATRIUM_HOST}:{settings.ATRIUM_PORT}"
        seen: dict[str, Any] = {}
        failures: list[str] = []
        try:
            with server(settings.ATRIUM_HOME, url, manage) as found, receiver(found.receiver_port) as inbox:
                self.stdout.write(f"Atrium at {found.url}, as {found.username}")
                assets = settings.BASE_DIR / "workers" / "clip" / "demo"
                journey = Journey(found, inbox, assets, manage, self.stdout.write, seen, failures)
                run(journey)
        except (RuntimeError, OSError) as error:
            failures.append(str(error))
            self.stderr.write(f"stopped: {error}")
        seen["seconds"] = round(time.monotonic() - started, 1)
        seen["failures"] = failures
        self.stdout.write("All held." if not failures else f"{len(failures)} did not hold.")
        self.stdout.write(json.dumps(seen))
        self.stdout.flush()
        if failures:
            sys.exit(1)
