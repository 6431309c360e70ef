"""Starts our shop for a benchmark: all the processes that ``make up`` starts.

The load goes through the front door, as shoppers' requests do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from modules.platform.hosting.running.process import Process
from modules.platform.hosting.secrets import secret
from shop.env import MODULES, load
from shop.running.processes import processes
from tests.benchmarks import children, cpu
from tests.benchmarks.children import Child, DidNotRun
from tests.benchmarks.quiet import unfinished
from tests.benchmarks.stage import Stage
from tests.ports import free_port

PORTS = ("PROXY_PORT", "PROXY_ADMIN_PORT", "WEB_PORT", "STANDIN_PORT", "MAILBOX_PORT")
SETTLED_WITHIN = 120.0  # seconds
POLL = 0.1  # seconds between two questions whether all is quiet


class Ficus:
    """Our running shop. The goods are loaded and its front door answers."""

    name = "ficus"
    database = "ficus"
    observed = 0.0  # seconds of PostgreSQL's CPU that our own questions have cost

    def __init__(
        self, stage: Stage, goods: Path, *, adapt: Callable[[Process], Process] = lambda p: p
    ) -> None:
        """``adapt`` may change a process before it is started (a profiler does)."""
        self.env = environment(stage)
        self.port = int(self.env["PROXY_PORT"])
        self._stage = stage
        self._children: list[Child] = []
        prepare(self.env, goods)
        try:
            self._start(adapt)
        except BaseException:
            self.stop()
            raise

    @property
    def roots(self) -> Mapping[str, int]:
        return {child.name: child.process.pid for child in self._children}

    @property
    def running(self) -> list[Child]:
        return self._children

    def settle(self) -> float:
        """Until every event is handled, every payment captured and every mail sent."""
        began = time.monotonic()
        with psycopg.connect(self._stage.database_url, autocommit=True) as database:
            while left := unfinished(database):
                for child in self._children:
                    child.require_alive()
                if time.monotonic() - began > SETTLED_WITHIN:
                    raise DidNotRun(
                        f"not quiet after {SETTLED_WITHIN:.0f} s: {left}\n{self._said()}"
                    )
                time.sleep(POLL)
            self.observed += cpu.read().used[database.info.backend_pid]
        return time.monotonic() - began

    def stop(self) -> None:
        children.stop(self._children)

    def _said(self) -> str:
        return "\n".join(f"{c.name}: {children.tail(c.log)}" for c in self._children)

    def _start(self, adapt: Callable[[Process], Process]) -> None:
        web = int(self.env["WEB_PORT"])
        for process in map(adapt, processes(load(self.env), self._stage.home, MODULES)):
            if process.after:
                children.wait_until_up(self._children, web, "/readyz")
            env = {**self.env, "PGAPPNAME": process.name}
            self._children.append(
                children.start(process.name, process.command, env, self._stage.logs)
            )
        children.wait_until_up(self._children, self.port, "/api/v1/problems")


def environment(stage: Stage) -> dict[str, str]:
    """What the shop's processes need; their ports are free ones."""
    ports = {name: str(free_port()) for name in PORTS}
    metrics = stage.home / "metrics"
    metrics.mkdir(exist_ok=True)
    return {
        **ports,
        "FICUS_HOME": str(stage.home),
        "DATABASE_URL": stage.database_url,
        "REDIS_URL": stage.redis_url,
        "STANDIN_WEBHOOK_SECRET": secret(stage.home, "standin"),
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
        # The load is one address that asks faster than shoppers do; it is counted all the same.
        "RATE_LIMIT_IDENTITY": "1000000",
        "RATE_LIMIT_ADDRESS": "1000000",
        "LOG_LEVEL": "WARNING",  # neither shop writes a line per request
        "PYTHONUNBUFFERED": "1",
    }


def prepare(env: Mapping[str, str], goods: Path) -> None:
    """Schemas, defaults, goods, and the front door's routes."""
    manage(env, "migrate", "--verbosity", "0")
    manage(env, "bootstrap")
    manage(env, "routes", "--write")
    manage(env, "import_catalog", str(goods))


def manage(env: Mapping[str, str], *arguments: str) -> str:
    """Run one of the shop's commands; its standard output."""
    return children.run([sys.executable, "manage.py", *arguments], env)
