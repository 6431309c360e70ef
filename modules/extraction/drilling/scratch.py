"""Two databases for one drill on the monolith's server, removed however the drill ends.

A drill that was killed with its machine cannot remove them: the next one does. Each drill keeps a
session in its source as long as it lives, so one without sessions is nobody's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

PREFIX = "ficus_drill_"
_LEFT = """
SELECT d.datname FROM pg_database d
WHERE d.datname LIKE %s AND pg_has_role(d.datdba, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_stat_activity a
                  WHERE regexp_replace(a.datname, '_[a-z]+$', '')
                      = regexp_replace(d.datname, '_[a-z]+$', ''))
ORDER BY 1
"""
_NEEDS = """
SELECT rolcreatedb OR rolsuper,
       has_parameter_privilege('session_replication_role', 'SET'),
       current_user
FROM pg_roles WHERE rolname = current_user
"""


@contextmanager
def scratch(server: str, module: str) -> Iterator[tuple[str, str]]:
    """The connection strings of a source and a target, both empty. Raises psycopg's errors."""
    stem = f"{PREFIX}{module[:20]}_{uuid.uuid4().hex[:8]}"
    names = (f"{stem}_source", f"{stem}_target")
    with psycopg.connect(server, autocommit=True, application_name="ficus drill") as admin:
        for name in left_behind(admin, module):
            _drop(admin, name)
        try:
            for name in names:
                admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            source, target = (make_conninfo(server, dbname=name) for name in names)
            # The sign that somebody lives here.
            with psycopg.connect(source, autocommit=True, application_name="ficus drill"):
                yield source, target
        finally:
            _remove(admin, server, names)


def left_behind(admin: psycopg.Connection, module: str) -> tuple[str, ...]:
    """Databases of drills that have died: nobody is connected to either of a pair."""
    pattern = f"{PREFIX}{module[:20]}_".replace("_", "\\_") + "%"
    return tuple(row[0] for row in admin.execute(_LEFT, [pattern]).fetchall())


def lacking(server: str) -> str:
    """What the login may not do that a drill needs; empty when nothing is missing."""
    with psycopg.connect(server, autocommit=True) as admin:
        row = admin.execute(_NEEDS).fetchone()
    may_make, may_apply, who = row or (False, False, "?")
    lacks = [] if may_make else ["make databases (ALTER ROLE ... CREATEDB)"]
    if not may_apply:
        lacks.append("set session_replication_role (GRANT SET ON PARAMETER)")
    return f"{who} may not {' nor '.join(lacks)}" if lacks else ""


def _remove(admin: psycopg.Connection, server: str, names: tuple[str, ...]) -> None:
    try:
        for name in names:
            _drop(admin, name)
    except psycopg.OperationalError:
        # The session was lost on the way; another one, or the next drill.
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(server, autocommit=True) as another,
        ):
            for name in names:
                _drop(another, name)


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
