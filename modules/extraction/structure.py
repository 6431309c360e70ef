"""The structure of both sides: migrated by the service's own host, brought level, compared."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from django.conf import settings
from psycopg import sql

from modules.extraction.protocol import Side, movable_tables
from modules.extraction.protocol.sides import bounded
from modules.extraction.targets import Target, host_environment
from modules.platform.console import CommandFailed
from modules.platform.databases.router import EVERYWHERE

MIGRATES_WITHIN = 300  # seconds; tables are empty
_APPLIED = """
SELECT app, name FROM {}.django_migrations WHERE app = ANY (%s) ORDER BY 1, 2
"""
_PARTITIONS = """
SELECT c.relname, p.relname, pg_get_expr(c.relpartbound, c.oid)
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
JOIN pg_class p ON p.oid = i.inhparent
WHERE p.relnamespace = %s::regnamespace ORDER BY 1
"""
_SCHEMAS = """
SELECT string_agg(nspname, ', ' ORDER BY nspname) FROM pg_namespace
WHERE nspname = ANY (%s)
"""


def manage_path(module: str) -> Path:
    """The commands of the module's own host."""
    return Path(settings.BASE_DIR) / "extracted" / module / "manage.py"


def migrate(module: str, target: Target) -> None:
    """Bring the service's database up to date, by its own host in a process of its own.

    Raises CommandFailed with the host's last line.
    """
    with tempfile.TemporaryDirectory(prefix="ficus-create-") as home:
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and host
                [sys.executable, str(manage_path(module)), "migrate", "-v", "0"],
                env=host_environment(module, target, Path(home)),
                capture_output=True,
                text=True,
                timeout=MIGRATES_WITHIN,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(
                f"the host of {module} did not migrate within {MIGRATES_WITHIN} s"
            ) from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()[-1]
        raise CommandFailed(f"the host of {module} could not migrate: {last}")


def found_in(target: Target, module: str) -> str:
    """What of a host's schemas is there already; empty when nothing is."""
    with psycopg.connect(bounded(target.admin_url), autocommit=True) as connection:
        row = connection.execute(_SCHEMAS, [[module, "host"]]).fetchone()
    return f"the schema {row[0]}" if row and row[0] else ""


def tables_of(side: Side) -> tuple[str, ...]:
    """The module's tables, partitioned ones once, without Django's record of migrations."""
    with psycopg.connect(bounded(side.url), autocommit=True) as connection:
        return movable_tables(side, connection)


def migrations_differ(source: Side, target: Side) -> str:
    """Which migrations only one of the two has; empty when both have the same."""
    ours, theirs = _applied(source), _applied(target)
    only = [f"{app}.{name} only in the {source.name}" for app, name in sorted(ours - theirs)]
    only += [f"{app}.{name} only in the {target.name}" for app, name in sorted(theirs - ours)]
    return ", ".join(only)


def emptied(side: Side) -> None:
    """Take out what its migrations have put into the module's tables."""
    names = [sql.Identifier(side.schema, name) for name in tables_of(side)]
    with _owning(side) as connection:
        connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(names)))


def level(pattern: Side, side: Side) -> int:
    """Give ``side`` the partitions that ``pattern`` has, and no others; how many were made or
    dropped. Everything else is what the same migrations made.
    """
    with psycopg.connect(bounded(pattern.url), autocommit=True) as connection:
        wanted = _partitions(connection, pattern)
    with _owning(side) as connection, connection.transaction():
        there = _partitions(connection, side)
        for name, _parent, _bound in sorted(there - wanted):
            _run(connection, "DROP TABLE {}", sql.Identifier(side.schema, name))
        for name, parent, bound in sorted(wanted - there):
            names = (sql.Identifier(side.schema, one) for one in (name, parent))
            # The bound comes from the catalogue, in its own words.
            _run(connection, "CREATE TABLE {} PARTITION OF {} {}", *names, sql.SQL(bound))
    return len(wanted ^ there)


@contextmanager
def _owning(side: Side) -> Iterator[psycopg.Connection[Any]]:
    """A session that works as the owner of the side's schema."""
    with psycopg.connect(bounded(side.url), autocommit=True) as connection:
        _become_owner(connection, side.schema)
        yield connection


def _run(
    connection: psycopg.Connection[Any], statement: LiteralString, *parts: sql.Composable
) -> None:
    connection.execute(sql.SQL(statement).format(*parts))


def _partitions(connection: psycopg.Connection[Any], side: Side) -> set[tuple[str, str, str]]:
    rows: Sequence[Any] = connection.execute(
        _PARTITIONS, [_quoted(side.schema, connection)]
    ).fetchall()
    return {(name, parent, bound) for name, parent, bound in rows}


def _applied(side: Side) -> set[tuple[str, str]]:
    apps = [side.schema, *EVERYWHERE]
    with psycopg.connect(bounded(side.url), autocommit=True) as connection:
        statement = sql.SQL(_APPLIED).format(sql.Identifier(side.schema))
        return {(app, name) for app, name in connection.execute(statement, [apps]).fetchall()}


def _become_owner(connection: psycopg.Connection[Any], schema: str) -> None:
    query = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = %s"
    row = connection.execute(query, [schema]).fetchone()
    if row is not None:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(row[0])))


def _quoted(name: str, connection: psycopg.Connection[Any]) -> str:
    return sql.Identifier(name).as_string(connection)
