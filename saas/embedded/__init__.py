"""The servers that Atrium brings along, for commands that find none running.

Guarantees: a command that needs no server starts none; one that does finds them at the addresses in its environment,
whoever started them; what a command started ends with it, after the last command that joined in. Imports no Django.
"""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from saas.embedded.home import FileLock, Home, HomeBusyError

if TYPE_CHECKING:
    from saas.embedded.services import EmbeddedServices

# What these do, they do without a database, a broker or a blob.
WITHOUT_SERVICES = frozenset(
    """
    check collectstatic compilemessages demo diffsettings findstatic help makemessages makemigrations optimizemigration
    spectacular startapp startproject version
    """.split()
)
JOIN_TIMEOUT = 90.0


def environment_for(argv: Sequence[str]) -> dict[str, str]:
    """The variables that lead `manage.py` (argv as in sys.argv) to its servers, started if they are down.

    Raises SystemExit with one line when the environment contradicts itself or the servers do not come up.
    """
    if not needs_services(argv):
        return {}
    if os.environ.get("DATABASE_URL") and os.environ.get("ATRIUM_DB_ROLE") == "owner":
        require_owner_url()
    # Only here: commands without services must not pay for the clients' imports.
    from saas.embedded.process import ServiceFailedError
    from saas.embedded.services import EmbeddedServices, needed_services

    home = Home.from_environment()
    services = EmbeddedServices(home, needed_services(home, os.environ))
    if not services.services:
        return {}
    lock = _lock_or_join(home, services)
    if lock is not None:
        try:
            services.start()
        except ServiceFailedError as error:
            raise SystemExit(str(error)) from error
        atexit.register(_finish, home, lock, services)
    return services.environment()


def needs_services(argv: Sequence[str]) -> bool:
    command = argv[1] if len(argv) > 1 else "help"
    if command.startswith("-") or command in WITHOUT_SERVICES or "--help" in argv or "-h" in argv:
        return False
    # The supervisor starts them itself.
    return command != "run" or (len(argv) > 2 and argv[2] != "all" and not argv[2].startswith("-"))


def require_owner_url() -> None:
    if not os.environ.get("DATABASE_OWNER_URL"):
        raise SystemExit(
            "DATABASE_URL is set, so DATABASE_OWNER_URL must be set too: migrations run as the owner role."
        )


def _lock_or_join(home: Home, services: EmbeddedServices) -> FileLock | None:
    """The home's lock if nobody runs its services; otherwise None, once those of the other process answer."""
    deadline = time.monotonic() + JOIN_TIMEOUT
    while True:
        try:
            return home.lock()
        except HomeBusyError:
            # Waits only for a command that is stopping its services.
            users = home.join()
        try:
            lock = home.lock()
        except HomeBusyError:
            if services.attach():
                atexit.register(users.release)
                return None
            users.release()
            if time.monotonic() > deadline:
                raise SystemExit(
                    f"{home.path} is in use, but not all of its services answer; see {home.path}/logs."
                ) from None
            time.sleep(0.1)
        else:
            users.release()
            return lock


def _finish(home: Home, lock: FileLock, services: EmbeddedServices) -> None:
    with home.wait_until_unused():
        services.stop()
        lock.release()
