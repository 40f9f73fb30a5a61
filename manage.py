#!/usr/bin/env python
"""Django's command line, with the embedded services brought up for commands that need them."""

import os
import sys

OWNER_COMMANDS = frozenset({"migrate", "sqlmigrate", "showmigrations", "makemigrations"})


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "saas.settings")
    if len(sys.argv) > 1 and sys.argv[1] in OWNER_COMMANDS:
        os.environ.setdefault("ATRIUM_DB_ROLE", "owner")
    from saas.embedded import environment_for

    os.environ.update(environment_for(sys.argv))
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
