"""`manage.py bootstrap FILE.yaml --out FILE.json`: users, organisations and tokens that must exist. Safe to repeat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from pydantic import ValidationError

from apps.accounts.models import User
from apps.core.errors import AtriumError
from apps.orgs.bootstrap import BootstrapFile, apply


class Command(BaseCommand):
    help = "Create users, organisations and access tokens from a YAML file; repeating it changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--out", type=Path, required=True, help="JSON file for the tokens' texts (0600)")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            wanted = BootstrapFile.model_validate(yaml.safe_load(options["file"].read_text()) or {})
        except (OSError, yaml.YAMLError, ValidationError) as error:
            raise CommandError(f"{options['file']}: {error}") from error
        try:
            result = apply(wanted, options["out"])
        except User.DoesNotExist as error:
            raise CommandError(
                "An organisation or token names a user that is neither in the file nor on the server."
            ) from error
        except AtriumError as error:
            raise CommandError(error.message) from error
        self.stdout.write(
            f"{len(wanted.users)} users, {len(wanted.organisations)} organisations, {len(result['tokens'])} tokens"
        )
