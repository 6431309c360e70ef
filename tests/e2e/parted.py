"""The shop taken apart: payment and notification run as hosts of their own, with their own data.

The shop has nothing of them but their contracts, as after ``strangler retire``: what else there is
of them it could not even import. It calls them where its registry lists them, and exchanges events
with them through the broker alone. What runs of them is what ``manage.py up`` would start.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
from django.test import override_settings
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.extraction import targets
from modules.extraction.phases import Phase, Standing
from modules.extraction.targets import Target
from modules.platform.databases.aliases import OWN
from modules.platform.hosting.running.process import Process
from shop.env import MODULES, ROOT, load
from shop.running.own_services import OwnServices
from shop.running.processes import processes
from tests.e2e.running import SERVICES, RunningShop
from tests.e2e.town import Town
from tests.waiting import eventually

HERE = tuple(module for module in MODULES if module not in SERVICES)
# What dies when a service's host does; what stands in for the bank and for mail is not its own.
ROLES = ("web", "worker", "outside", "relay")


class PartedShop(RunningShop):
    """``with PartedShop(home, ...) as shop``; processes are named ``payment-own-web`` and so on."""

    def __init__(self, home: Path, *, database_url: str, redis_url: str) -> None:
        super().__init__(home, database_url=database_url, redis_url=redis_url)
        self.services = SERVICES
        self.service_urls = {
            name: f"http://127.0.0.1:{self.ports[f'{name.upper()}_OWN']}" for name in SERVICES
        }
        self.environment |= {"RETIRED_MODULES": ",".join(SERVICES)}
        self._env = load(self.environment)
        declared = (*processes(self._env, home, HERE), *self._own_services())
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
            self.kill(f"{service}-{OWN}-{role}")

    def start_host(self, service: str, roles: tuple[str, ...] = ROLES) -> None:
        """Start what ``kill_host`` has killed."""
        for role in roles:
            self.start(f"{service}-{OWN}-{role}")

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

    def _own_services(self) -> Sequence[Process]:
        """What is started of modules that are retired, as their databases are known to the shop."""
        with override_settings(FICUS_HOME=self.home):
            for name in SERVICES:
                url = self._own_database(name)
                targets.keep(name, Target(url=url, admin_url=url, is_ours=False))
            wanted = OwnServices(
                self._env,
                self.home,
                HERE,
                database_url=self.database_url,
                ask=lambda name: Standing(phase=Phase.RETIRED),
            )()
        assert wanted.trouble == ""
        return wanted.processes

    def _prepare(self, name: str) -> subprocess.Popen[bytes]:
        """Migrate, and put the module's defaults in place."""
        manage = f"extracted/{name}/manage.py"
        command = f"{sys.executable} {manage} migrate -v 0 && {sys.executable} {manage} bootstrap"
        with (self.home / f"{name}-prepare.log").open("wb") as log:
            return subprocess.Popen(
                ["sh", "-c", command],
                cwd=ROOT,
                env=self.variables() | dict(self.declared[f"{name}-{OWN}-web"].environment),
                stdout=log,
                stderr=log,
            )
