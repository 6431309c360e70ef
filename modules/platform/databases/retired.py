"""Whether a module's schema is empty for good, because its service has the data alone.

``manage.py strangler retire`` leaves one table there, ``retired``, in which it says since which
epoch. A host that still composes the module's implementation must not make its tables again, and
whoever misses them is told that the module has moved.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from modules.platform.databases.aliases import module_of_alias
from modules.platform.databases.roles import login

TABLE: Final = "retired"


def retired_since(alias: str) -> int | None:
    """The epoch since which the module of ``alias`` is retired here; None while it is not.

    Raises psycopg's errors.
    """
    name = sql.Identifier(module_of_alias(alias), TABLE)
    with login(alias) as connection:
        there = connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL", [name.as_string(connection)]
        ).fetchone()
        if not there or not there[0]:
            return None
        row = connection.execute(sql.SQL("SELECT epoch FROM {}").format(name)).fetchone()
    return int(row[0]) if row else None


def why_retired(module: str) -> str:
    """For people: what is the case, and what to do."""
    return (
        f"{module} is retired: its data is in its service's database alone, and this host still "
        f"has its implementation; start it with RETIRED_MODULES={module}"
    )
