"""One database with every module's schema for the whole session; all that need one get a copy.

To migrate takes seconds of a processor, to copy a tenth of that. Whoever is first migrates; the
others wait for it. The process that runs pytest names the template, so it is never an older one.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import psycopg
from psycopg import sql

NAME = "TESTS_TEMPLATE"  # the variable that says the template's name
LOCK = 7_425_001  # an advisory lock in the database of DATABASE_URL: one process at a time


def announce() -> None:
    """Name the template of this session; by the process that runs pytest, before its workers."""
    os.environ[NAME] = f"test_template_{os.getpid()}"


def make_database(name: str, migrate: Callable[[str], None], *, server_url: str = "") -> None:
    """Make ``name`` with all schemas. ``migrate`` fills an empty database and leaves it alone.

    ``server_url`` is the session's own server unless it says another.
    """
    with _server(server_url) as server:
        if "PYTEST_XDIST_WORKER" not in os.environ:  # there is nobody to share it with
            _run(server, "CREATE DATABASE {}", name)
            migrate(name)
            return
        server.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        if not _exists(server, os.environ[NAME]):
            draft = f"{os.environ[NAME]}_draft"
            _run(server, "DROP DATABASE IF EXISTS {}", draft)  # of one that failed
            _run(server, "CREATE DATABASE {}", draft)
            migrate(draft)
            _run(server, "ALTER DATABASE {} RENAME TO {}", draft, os.environ[NAME])
        # Page by page through the log: to copy the files takes two checkpoints.
        _run(server, "CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log", name, os.environ[NAME])


def drop_database(name: str) -> None:
    """Nothing happens if it is not there; its sessions end."""
    with _server() as server:
        _run(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def forget() -> None:
    """Drop the template, when all workers have ended."""
    for name in (os.environ[NAME], f"{os.environ[NAME]}_draft"):
        drop_database(name)


def _server(url: str = "") -> psycopg.Connection:
    return psycopg.connect(url or os.environ["DATABASE_URL"], autocommit=True)


def _exists(server: psycopg.Connection, name: str) -> bool:
    found = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
    return found.fetchone() is not None


def _run(server: psycopg.Connection, statement: str, *names: str) -> None:
    identifiers = (sql.Identifier(name) for name in names)
    server.execute(sql.SQL(statement).format(*identifiers))  # type: ignore[arg-type]
