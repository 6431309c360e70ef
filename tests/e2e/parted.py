"""The shop taken apart: payment and notification run as hosts of their own, with their own data.

The shop has nothing of them but their contracts, as after ``strangler retire``: what else there is
of them it could not even import. It calls them where its registry lists them, and exchanges events
with them through the broker alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.platform.hosting.host import standalone_host
from modules.platform.hosting.running.process import Process
from modules.platform.hosting.running.processes import host_processes
from modules.platform.hosting.settings.identity import JWKS
from shop.env import MODULES, ROOT, load
from shop.running.processes import processes
from tests.e2e.running import SERVICES, RunningShop, eventually
from tests.e2e.town import Town

HERE = tuple(module for module in MODULES if module not in SERVICES)
# What dies when a service's host does; what stands in for the bank and for mail is not its own.
ROLES = ("web", "worker", "relay")


class PartedShop(RunningShop):
    """``with PartedShop(home, ...) as shop``; processes are named ``payment-web`` and so on."""

    def __init__(self, home: Path, *, database_url: str, redis_url: str) -> None:
        super().__init__(home, database_url=database_url, redis_url=redis_url)
        self.services = SERVICES
        self.service_urls = {
            name: f"http://127.0.0.1:{self.ports[name.upper()]}" for name in SERVICES
        }
        trust = ",".join(f"{name}={url}/rpc/keys" for name, url in self.service_urls.items())
        self.environment |= {"RETIRED_MODULES": ",".join(SERVICES), "SERVICE_TRUST": trust}
        self._env = load(self.environment)
        declared = [process for name in SERVICES for process in self._processes_of(name)]
        declared += processes(self._env, home, HERE)
        self.declared = {process.name: process for process in declared}

    def __enter__(self) -> PartedShop:
        with psycopg.connect(self._server, autocommit=True) as server:
            for name in SERVICES:
                made = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"{self.name}_{name}"))
                server.execute(made)
        for process, name in [(self._prepare(name), name) for name in SERVICES]:
            assert process.wait(120) == 0, self.said(f"{name}-prepare")
        super().__enter__()
        try:
            for name in SERVICES:
                self.wait_announced(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for name in list(self.running):  # twenty of them: one by one they would take a minute
            self.kill(name)
        super().__exit__(*error)

    def kill_host(self, service: str, roles: tuple[str, ...] = ROLES) -> None:
        """SIGKILL all that is the service's own."""
        for role in roles:
            self.kill(f"{service}-{role}")

    def start_host(self, service: str, roles: tuple[str, ...] = ROLES) -> None:
        """Start what ``kill_host`` has killed."""
        for role in roles:
            self.start(f"{service}-{role}")

    def wait_announced(self, service: str) -> None:
        """Until the shop knows where the service is, and it answers there."""
        eventually(lambda: Town(self).instances(service), within=60, what=f"{service}'s word")
        self._wait_until(f"{self.service_urls[service]}/readyz")

    def query_service(
        self, service: str, statement: str, *values: object
    ) -> list[tuple[object, ...]]:
        """Rows straight from the service's own database."""
        with psycopg.connect(self._own_database(service)) as connection:
            return connection.execute(statement.encode(), values or None).fetchall()

    def _own_database(self, name: str) -> str:
        parts = dict(conninfo_to_dict(self._server))
        return make_conninfo(**{**parts, "dbname": f"{self.name}_{name}"})

    def _environment_of(self, name: str) -> dict[str, str]:
        shop = f"http://127.0.0.1:{self.ports['WEB']}"
        return {
            "DJANGO_SETTINGS_MODULE": f"extracted.{name}.settings.dev",
            "FICUS_MODULES": name,
            "INSTANCE_ROLE": "own",
            "DATABASE_URL": self._own_database(name),
            "WEB_PORT": str(self.ports[name.upper()]),
            "WEB_WORKERS": "1",
            "WORKER_PROCESSES": "1",
            "REGISTRY_URL": f"{shop}/registry",
            "SERVICE_TRUST": f"shop={shop}/rpc/keys",
            "ACCESS_TOKEN_KEYS": f"{shop}{JWKS}",
            "PROMETHEUS_MULTIPROC_DIR": str(self.metrics / name),
        }

    def _processes_of(self, name: str) -> Iterator[Process]:
        port = self.ports[name.upper()]
        host = standalone_host(name, folder=ROOT / "extracted" / name, web_port=port)
        theirs = self._environment_of(name)
        env = host.environment({**self.environment, **theirs})
        for process in host_processes(host, env, self.home / name, (name,), entrance=self.base):
            yield replace(process, name=f"{name}-{process.name}", environment=theirs)

    def _prepare(self, name: str) -> subprocess.Popen[bytes]:
        """Migrate, and put the module's defaults in place."""
        for folder in (self.metrics / name, self.home / name):
            folder.mkdir(parents=True, exist_ok=True)
        manage = f"extracted/{name}/manage.py"
        command = f"{sys.executable} {manage} migrate -v 0 && {sys.executable} {manage} bootstrap"
        with (self.home / f"{name}-prepare.log").open("wb") as log:
            return subprocess.Popen(
                ["sh", "-c", command],
                cwd=ROOT,
                env=self.variables() | self._environment_of(name),
                stdout=log,
                stderr=log,
            )
