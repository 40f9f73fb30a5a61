"""The runtime role's rights: everything it needs to work, and nothing that rewrites what is append-only.

The owner role migrates. After every `migrate` the grants are laid again, so that new tables are covered without anybody's memory.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections

from apps.core.registries import Registry

# table → the rights that the runtime role has on it; every other table gets the four usual ones.
restricted: Registry[str] = Registry("restricted table")


def grant_runtime(using: str) -> None:
    """Grants the runtime role its rights. Must run as the owner; does nothing when connected as the runtime role itself."""
    connection = connections[using]
    role = settings.ATRIUM_RUNTIME_ROLE
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user = %s", [role])
        if cursor.fetchone()[0]:
            return
        name = connection.ops.quote_name(role)
        cursor.execute(f"GRANT USAGE ON SCHEMA public TO {name}")
        cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}")
        existing = set(connection.introspection.table_names(cursor))
        for table, rights in restricted.items():
            if table in existing:
                quoted = connection.ops.quote_name(table)
                cursor.execute(f"REVOKE ALL ON {quoted} FROM {name}")
                cursor.execute(f"GRANT {rights} ON {quoted} TO {name}")


def after_migrate(*, using: str, **_: Any) -> None:
    grant_runtime(using)
