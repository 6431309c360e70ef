"""A host's own PostgreSQL and Redis, for when no URL names others."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections

from modules.platform.databases import embedded

# Commands that read the project and no data; nothing is started for them.
READ_CODE_ONLY = frozenset({"modules"})
NOT_STARTED = "not-started"


def reads_code_only(arguments: Sequence[str]) -> bool:
    """Whether this process runs a command that needs no server (``sys.argv``)."""
    return bool(set(arguments[1:2]) & READ_CODE_ONLY)


@cache
def database_url(home: Path) -> str:
    """The embedded PostgreSQL's URL, started if need be.

    What this process started it stops again when it ends, unless somebody else uses it by then.
    Raises EmbeddedServerError.
    """
    if reads_code_only(sys.argv):
        return f"postgresql:///{NOT_STARTED}"
    server = embedded.ensure_postgres(home)
    if server.started:
        atexit.register(_stop_unused_postgres, home, server.url)
    return server.url


@cache
def redis_url(home: Path) -> str:
    """The embedded Redis's URL, started if need be. Raises EmbeddedServerError."""
    if reads_code_only(sys.argv):
        return f"redis://{NOT_STARTED}"
    server = embedded.ensure_redis(home)
    if server.started:
        atexit.register(_stop_unused_redis, home, server.url)
    return server.url


def stop_servers(home: Path) -> None:
    """Stop the embedded servers under ``home``, whoever started them; others are left alone."""
    embedded.stop_postgres(home)
    embedded.stop_redis(home)


def _close_own_connections() -> None:
    """This process's pools must not look like somebody else."""
    wrappers: Sequence[Any] = connections.all(initialized_only=True)
    for connection in wrappers:
        connection.close()
        connection.close_pool()


def _stop_unused_postgres(home: Path, url: str) -> None:
    _close_own_connections()
    others = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute(others).fetchone()
    except psycopg.Error:
        return
    if row is not None and row[0] == 0:
        embedded.stop_postgres(home)


def _stop_unused_redis(home: Path, url: str) -> None:
    import redis

    try:
        with redis.Redis.from_url(url) as client:
            others = int(client.info("clients")["connected_clients"]) - 1
    except redis.RedisError:
        return
    if others == 0:
        embedded.stop_redis(home)
