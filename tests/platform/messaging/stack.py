"""The small host of ``host.py`` as real processes over a database and a Redis of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg import sql

from modules.platform.databases import embedded
from modules.platform.messaging.carrier import worker_queues
from tests.platform.messaging.ledgers import SOURCE

HOST = "tests.platform.messaging.host"
PYTHON = sys.executable
LEASE = 2  # seconds: a test cannot wait for thirty


@dataclass
class Stack:
    """Processes by name; ``start`` again replaces one that has died."""

    environment: dict[str, str]
    database: str
    redis_url: str
    logs: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def worker(self, name: str = "worker", processes: int = 2, **environment: str) -> None:
        queues = ",".join(worker_queues(("orders", SOURCE)))
        options = ["-Q", queues, "-c", str(processes), "-l", "error", "-n", f"{name}@%h"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        self._start(name, ["-m", "celery", "-A", HOST, "worker", *options, *quiet], environment)

    def relay(self, name: str = "relay", **environment: str) -> None:
        self._start(name, ["-m", HOST, "relay"], environment)

    def publish(self, count: int, rate: float, *, wait: bool = True) -> None:
        arguments = ["-m", HOST, "publish", str(count), "1", str(rate)]
        self._start("publisher", arguments, {"PGAPPNAME": "publisher"})
        if wait:
            assert self.processes["publisher"].wait(60) == 0, self.said("publisher")

    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [PYTHON, "-m", HOST, *arguments],
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Send the signal to the process and its children, and wait for its end."""
        process = self.processes[name]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(30)

    def died(self, name: str) -> bool:
        return self.processes[name].poll() is not None

    def said(self, name: str) -> str:
        return (self.logs / f"{name}.log").read_text()[-3000:]

    def flush_redis(self) -> None:
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            return connection.execute(statement, parameters).fetchall()

    def end_sessions(self) -> None:
        """What a failover does to every connection."""
        self.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND application_name <> 'publisher'"
        )

    def heard(self) -> int:
        return int(self.query("SELECT count(*) FROM orders.bus_audit")[0][0])

    def wait_for(self, count: int, seconds: float) -> None:
        """Until ``count`` events are handled; more than that is found by ``check``."""
        end = time.monotonic() + seconds
        while self.heard() < count:
            said = {name: self.said(name) for name in self.processes}
            assert time.monotonic() < end, f"{self.heard()} of {count}: {said}"
            time.sleep(0.1)

    def check(self, count: int) -> None:
        """Each event once, each key in order, and no receipt missing in the end."""
        found = self.query("SELECT actor, changed FROM orders.bus_audit ORDER BY id")
        by_key: dict[str, list[int]] = {}
        for key, value in found:
            by_key.setdefault(key, []).append(value)
        for key, values in by_key.items():
            assert values == list(range(len(values))), f"{key}: {values}"
        assert len(found) == count
        assert self.query("SELECT count(*) FROM orders.bus_parked") == [(0,)]

    def _start(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [PYTHON, *arguments],
                env=self.environment | environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def stack(database_url: str, broker_url: str = "") -> Iterator[Stack]:
    """A migrated host with nothing running yet; all of it is gone afterwards.

    Redis carries the bus, unless there is a ``broker_url``.
    """
    home = Path(tempfile.mkdtemp(prefix="ficus-bus-"))
    home.chmod(0o755)
    name = f"bus_{os.getpid()}"
    server = psycopg.connect(database_url, autocommit=True)
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = psycopg.conninfo.make_conninfo(database_url, dbname=name)
    redis_url = embedded.ensure_redis(home).url
    environment = os.environ | {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "BROKER_URL": broker_url,
        "HOST_LEASE": str(LEASE),
    }
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    running = Stack(environment=environment, database=url, redis_url=redis_url, logs=home)
    try:
        running.run("migrate")
        yield running
    finally:
        for process in list(running.processes):
            running.kill(process)
        embedded.stop_redis(home)
        server.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        server.close()
        shutil.rmtree(home, ignore_errors=True)
