"""What both shops share in a run: one PostgreSQL, one Redis, one temporary home."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from modules.platform.databases import embedded


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The servers of this run. ``roots`` are their processes, for CPU accounting."""

    home: Path
    database_url: str
    redis_url: str
    roots: Mapping[str, int]

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    def make_database(self, name: str) -> str:
        """A new database on the same server; its connection string."""
        with psycopg.connect(self.database_url, autocommit=True) as server:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return make_conninfo(self.database_url, dbname=name)

    def redis(self, number: int) -> str:
        """The URL of another logical database of the same Redis."""
        return f"{self.redis_url.rpartition('/')[0]}/{number}"


class Contestant(Protocol):
    """A shop that runs and can be measured."""

    name: str
    database: str  # its own on the stage's server
    port: int
    observed: float  # seconds of PostgreSQL's CPU that asking whether it is quiet has cost

    @property
    def env(self) -> Mapping[str, str]:
        """What its processes are started with."""
        ...

    @property
    def roots(self) -> Mapping[str, int]:
        """Its processes, by name; each may have children."""
        ...

    def settle(self) -> float:
        """Wait until nothing is left to do; the seconds that took."""
        ...

    def stop(self) -> None:
        """End its processes."""
        ...


@contextmanager
def stage() -> Iterator[Stage]:
    """Durable servers, as in production, that vanish with everything they hold."""
    home = Path(tempfile.mkdtemp(prefix="ficus-bench-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    try:
        postgres, redis = embedded.ensure_postgres(home), embedded.ensure_redis(home)
        yield Stage(
            home=home,
            database_url=postgres.url,
            redis_url=redis.url,
            roots={"postgres": postgres.pid, "redis": redis.pid},
        )
    finally:
        embedded.stop_postgres(home)
        embedded.stop_redis(home)
        shutil.rmtree(home, ignore_errors=True)
