"""The processes of the two hosts, each with a database of its own; to be killed and counted."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis
from celery import Celery
from psycopg import sql

from modules.platform.databases import embedded
from modules.platform.messaging.carrier import worker_queues
from shop.env import MODULES, ROOT
from tests.extracted.bus.publisher import HOSTS

LEASE = 2.0  # seconds: a test cannot wait for thirty
ELSEWHERE = {"shop": "payment", "payment": ""}  # host: over what it has no authority


@dataclass
class Town:
    """Processes by ``host role``; ``start`` again replaces one that has died."""

    home: Path
    redis_url: str
    environments: dict[str, dict[str, str]]
    databases: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    published: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HOSTS, 0))

    def relay(self, host: str) -> None:
        module = HOSTS[host]
        self._start(host, "relay", [_manage(host), "relay", "--module", module])

    def worker(self, host: str) -> None:
        modules = self.environments[host]["FICUS_MODULES"].split(",")
        package = "shop" if host == "shop" else f"extracted.{host}"
        options = ["--queues", ",".join(worker_queues(modules)), "--concurrency", "2"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"]
        name = ["--hostname", f"{host}@%h"]
        command = ["-m", "celery", "-A", package, "worker", *name, *options, *quiet]
        self._start(host, "worker", command)

    def start(self, name: str) -> None:
        """One of ``shop relay``, ``shop worker``, ``payment relay``, ``payment worker``."""
        host, role = name.split()
        {"relay": self.relay, "worker": self.worker}[role](host)

    def publish(self, host: str, rate: float) -> None:
        """Publish ``rate`` events a second from a process of the host, until told to end."""
        numbers = [str(self.published[host]), str(rate)]
        self._start(host, "publisher", ["-m", "tests.extracted.bus.publisher", host, *numbers])

    def end_publishing(self, host: str) -> None:
        """Let the publisher end, and note how many it has published by now."""
        name = f"{host} publisher"
        self.processes[name].terminate()
        assert self.processes[name].wait(30) == 0, self.said(name)
        self.published[host] = int(self.said(name).split()[-1])

    def kill(self, name: str) -> None:
        """SIGKILL for the process and its children."""
        process = self.processes[name]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)

    def flush(self) -> None:
        """FLUSHALL: what is under way is gone, receipts as well."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()

    def said(self, name: str) -> str:
        return (self.home / f"{name}.log").read_text()[-3000:]

    def query(self, host: str, statement: str) -> list[tuple[Any, ...]]:
        """Rows from the schema of the host's module."""
        options = f"-c search_path={HOSTS[host]}"
        with psycopg.connect(self.databases[host], options=options, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    @contextmanager
    def retired(self) -> Iterator[None]:
        """Within it the shop has nothing of payment but the contract."""
        before = dict(self.environments["shop"])
        kept = ",".join(module for module in MODULES if module != "payment")
        self.environments["shop"] = before | {"FICUS_MODULES": kept}
        self._restart_shop()
        try:
            yield
        finally:
            self.environments["shop"] = before
            self._restart_shop()

    def _restart_shop(self) -> None:
        for role in ("worker", "relay"):
            self.kill(f"shop {role}")
            self.start(f"shop {role}")

    def take_authority(self, host: str, modules: str) -> None:
        """From now on the host has no authority over ``modules`` (separated by blanks)."""
        (self.home / f"{host}.elsewhere").write_text(modules)

    def taken(self, host: str) -> set[str]:
        """The queues from which the host's worker takes; none when it does not say."""
        with Celery(broker=self.redis_url, set_as_current=False) as app:
            name = f"{host}@{socket.gethostname()}"
            said = app.control.inspect([name], timeout=1.0).active_queues() or {}
        return {queue["name"] for queue in said.get(name, ())}

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def _start(self, host: str, role: str, arguments: list[str]) -> None:
        with (self.home / f"{host} {role}.log").open("ab") as log:
            self.processes[f"{host} {role}"] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environments[host],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


@contextmanager
def town(server_url: str, *, fault: str = "") -> Iterator[Town]:
    """Both hosts migrated, with nothing running yet; all of it is gone afterwards.

    The shop still composes payment and knows that the authority is not its own. ``fault`` is
    planted in both hosts.
    """
    home = Path(tempfile.mkdtemp(prefix="ficus-hosts-"))
    home.chmod(0o755)
    names = {host: f"bus_{host}_{os.getpid()}" for host in HOSTS}
    server = psycopg.connect(server_url, autocommit=True)
    urls = {h: psycopg.conninfo.make_conninfo(server_url, dbname=names[h]) for h in HOSTS}
    redis_url = embedded.ensure_redis(home).url
    for host, modules in ELSEWHERE.items():
        (home / f"{host}.elsewhere").write_text(modules)
    environments = {
        host: {
            **_inherited(),
            "REDIS_URL": redis_url,
            "BUS_LEASE": str(LEASE),
            "BUS_FAULT": fault,
            "BUS_ELSEWHERE": str(home / f"{host}.elsewhere"),
            "FICUS_HOME": str(home / host),
            "DATABASE_URL": urls[host],
            "DJANGO_SETTINGS_MODULE": f"tests.extracted.bus.{host}_settings",
            "FICUS_MODULES": "payment",
        }
        for host in HOSTS
    }
    environments["shop"]["FICUS_MODULES"] = ",".join(MODULES)
    running = Town(home, redis_url, environments, urls)
    try:
        for name in names.values():
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        _prepare(environments)
        yield running
    finally:
        running.close()
        embedded.stop_redis(home)
        for name in names.values():
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            server.execute(drop.format(sql.Identifier(name)))
        server.close()
        shutil.rmtree(home, ignore_errors=True)


def _prepare(environments: Mapping[str, Mapping[str, str]]) -> None:
    """The schemas of the modules that take part, both hosts at once.

    The shop has a schema of payment, too, as it has while payment is extracted and not retired.
    """
    schemas = {"shop": ["orders", "payment"], "payment": ["payment"]}
    command = [sys.executable, "-m", "tests.extracted.bus.prepare"]
    started = [
        subprocess.Popen([*command, *schemas[host]], cwd=ROOT, env=environments[host])
        for host in HOSTS
    ]
    for process in started:
        assert process.wait(120) == 0


def _inherited() -> dict[str, str]:
    """This process's environment without what tests have put there."""
    ours = ("PYTEST", "FICUS", "DJANGO", "DATABASE", "REDIS", "PAYMENT_", "ORDERS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _manage(host: str) -> str:
    return "manage.py" if host == "shop" else f"extracted/{host}/manage.py"
