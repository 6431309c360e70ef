"""Our own PostgreSQL 18: one cluster per home, on a Unix socket only, database and user `ficus`."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from modules.platform.databases.embedded import binaries, cluster, lifecycle, locks, logs, processes
from modules.platform.databases.embedded.accounts import Account, server_account
from modules.platform.databases.embedded.cluster import DATABASE, PORT, SOCKET, USER
from modules.platform.databases.embedded.places import Place, make_place, socket_directory
from modules.platform.databases.embedded.processes import Stage
from modules.platform.databases.embedded.server import Server

# A stopped or hung server must not hang us: two seconds to connect, ten to make the database.
FIRST_TALK: Any = {
    "dbname": "postgres",
    "autocommit": True,
    "connect_timeout": 2,
    "options": "-c statement_timeout=10s",
}


class Postgres:
    """PostgreSQL as the life cycle sees it."""

    what = "PostgreSQL"
    name = "postgres"
    stages: Sequence[Stage] = (
        Stage(signal=signal.SIGINT, patience=10.0),  # fast: roll back, checkpoint, end
        Stage(signal=signal.SIGQUIT, patience=5.0),  # immediate: recovers at the next start
    )

    def pid(self, place: Place) -> int | None:
        """The postmaster's pid, once it has written it."""
        postmaster = cluster.read_postmaster(place)
        return postmaster.pid if postmaster else None

    def url(self, place: Place) -> str | None:
        """A libpq URI, once the server takes connections."""
        postmaster = cluster.read_postmaster(place)
        return url_at(postmaster.socket_directory) if postmaster and postmaster.ready else None

    def greets(self, url: str) -> bool:
        """Whether it answers; makes the database if a killed starter did not come to it."""
        try:
            with psycopg.connect(url, **FIRST_TALK) as connection:
                found = "SELECT FROM pg_database WHERE datname = %s"
                if connection.execute(found, [DATABASE]).rowcount == 0:
                    connection.execute(f"CREATE DATABASE {DATABASE}")
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return True  # another process was faster
        except psycopg.OperationalError:
            return False
        return True

    def start(self, home: Path, *, deadline: float, durable: bool) -> Place:
        """Find a place and an account, make the cluster if there is none, start it."""
        account = server_account(home / self.name / "data")
        programs = binaries.postgres_programs(account)
        place = make_place(home, self.name, account)
        logs.rotate(place.log)
        lock = lifecycle.hold(self, place, deadline=deadline)
        with locks.handed_over(lock):
            if not (place.data / "PG_VERSION").exists():
                cluster.initialise(
                    place, account, programs, lock=lock, deadline=deadline, durable=durable
                )
            cluster.check_version(place)
            self._launch(place, account, programs, lock, deadline=deadline, durable=durable)
        return place

    def _launch(
        self,
        place: Place,
        account: Account,
        programs: Path,
        lock: int,
        *,
        deadline: float,
        durable: bool,
    ) -> None:
        sockets = socket_directory(place, account, socket_name=SOCKET)
        cluster.clear_stale(place, sockets)
        tag = lifecycle.new_tag(place)
        options = cluster.options(sockets=sockets, tag=tag, durable=durable)
        argv = [str(programs / "postgres"), "-D", str(place.data), *options]
        written = logs.size(place.log)
        process = processes.spawn(argv, log=place.log, cwd=Path("/"), account=account, keep=[lock])
        with processes.ended_on_error(process):
            while not ((url := self.url(place)) and self.greets(url)):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise cluster.failure(process, place.log, written)
                time.sleep(locks.PAUSE)
        processes.let_go(process)


POSTGRES = Postgres()


def ensure_postgres(home: Path, *, timeout: float = 30.0, durable: bool = True) -> Server:
    """Start PostgreSQL with its data under `home/postgres`, or join the one that runs there.

    `durable=False` gives up what a crash of the machine would need, for tests; it has no effect on
    a server that runs already. Raises EmbeddedServerError, within about `timeout` seconds.
    """
    return lifecycle.ensure(POSTGRES, home.resolve(), timeout=timeout, durable=durable)


def running_postgres(home: Path) -> Server | None:
    """The PostgreSQL of this home if it runs and takes connections."""
    return lifecycle.running(POSTGRES, home.resolve())


def stop_postgres(home: Path) -> None:
    """End the PostgreSQL of this home, if it runs, in 20 s at most once it is our turn."""
    lifecycle.stop(POSTGRES, home.resolve())


def url_at(socket_directory: str) -> str:
    """The libpq URI of the shop's database on the server with that socket."""
    query = {"host": socket_directory, "port": PORT, "user": USER}
    return f"postgresql:///{DATABASE}?{urlencode(query, safe='/', quote_via=quote)}"
