"""What must be in a database before a server works on it: the schema, and one operator to begin with.

Guarantees: laid out once per state of code and database, so that a later start skips it; the operator's password
and token are in ATRIUM_HOME/bootstrap.json, for the owner of the data directory only.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saas.embedded.home import Home, write_private

ROOT = Path(__file__).resolve().parent.parent
# Not "operator": that path belongs to pages.
OPERATOR = "atrium-operator"
# What decides on the outcome of `migrate` and of what runs after it.
STATEFUL = (
    "apps/*/migrations/*.py",
    "apps/*/apps.py",
    "apps/core/database.py",
    "apps/**/*.yaml",
    "saas/layout.py",
    "requirements/base.lock",
)


class Layout:
    """The layout of one database, as this data directory knows it: the outside one, or with None the embedded one."""

    def __init__(self, home: Home, database_url: str | None) -> None:
        self.home = home
        # With the embedded server's files, so that it goes when they go.
        self._stamp = home.directory("postgres") / "migrated"
        self._state = _state_of_code(database_url)

    def is_done(self) -> bool:
        return self._stamp.exists() and self._stamp.read_text() == self._state and self.home.bootstrap_file.exists()

    def mark_done(self) -> None:
        self._stamp.write_text(self._state)

    @contextmanager
    def bootstrap_input(self) -> Iterator[Path]:
        """A file for `manage.py bootstrap`. What that wrote is completed with the password on leaving."""
        password = self.home.secret("operator_password", lambda: secrets.token_urlsafe(18))
        user = {"username": OPERATOR, "full_name": "Operator", "email": f"{OPERATOR}@localhost.localdomain"}
        wanted = {
            "users": [{**user, "password": password, "operator": True}],
            "tokens": [{"owner": OPERATOR, "name": "bootstrap", "role": "write"}],
        }
        file = self.home.directory("run") / "bootstrap.yaml"
        # JSON is YAML.
        write_private(file, json.dumps(wanted))
        try:
            yield file
        finally:
            file.unlink()
        written = json.loads(self.home.bootstrap_file.read_text())
        complete = {**written, "users": [{"username": OPERATOR, "password": password}]}
        write_private(self.home.bootstrap_file, json.dumps(complete, indent=2) + "\n")


def credentials(home: Home) -> tuple[dict[str, str], str]:
    """The operator's user name and password, and the write token."""
    known = json.loads(home.bootstrap_file.read_text())
    return known["users"][0], known["tokens"][0]["token"]


def _state_of_code(database_url: str | None) -> str:
    """Changes whenever a migration, a grant, a seed or a library with migrations of its own does, or the database."""
    digest = hashlib.sha256((database_url or "").encode())
    for pattern in STATEFUL:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
