"""`manage.py audit verify`: walk every hash chain; exit 1 when one does not hold."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.audit import verify_all


class Command(BaseCommand):
    help = "Verify the hash chains of the audit log."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=["verify"])
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        verdicts = list(verify_all())
        bad = [verdict for verdict in verdicts if verdict.problem]
        total = sum(verdict.events for verdict in verdicts)
        if options["json"]:
            report = {
                "verified": not bad,
                "chains": len(verdicts),
                "events": total,
                "problems": [{"namespace_id": str(v.namespace_id), "problem": v.problem} for v in bad],
            }
            self.stdout.write(json.dumps(report))
        else:
            for verdict in verdicts:
                self.stdout.write(f"{verdict.namespace_id}  {verdict.events:>8} events  {verdict.problem or 'holds'}")
            self.stdout.write(f"{len(verdicts)} chains, {total} events, {len(bad)} broken")
        if bad:
            raise CommandError(f"{len(bad)} audit chain(s) do not hold; first: {bad[0].namespace_id}: {bad[0].problem}")
