"""A whole shop of real processes on free ports, each of which can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.platform.hosting.running.process import Process
from shop.env import MODULES, ROOT, load
from shop.running.processes import processes
from shop.running.services import prepare_services
from tests import plain, template
from tests.ports import free_port
from tests.waiting import eventually

READY_WITHIN = 60.0  # seconds
STOP_WITHIN = 15.0  # seconds
FAILED = re.compile(r'"status":5\d\d')
SERVICES = ("payment", "notification")
PORTS = (
    *("PROXY", "PROXY_ADMIN", "WEB", "STANDIN", "MAILBOX"),
    *(f"{name.upper()}{own}" for name in SERVICES for own in ("", "_OWN")),
)


class RunningShop:
    """``with RunningShop(home, ...) as shop: shop.http.get(...)``; ``shop.kill("worker")``.

    With ``services`` payment's and notification's hosts run beside it, on its data, as
    ``manage.py up`` starts them: ``payment-web``, ``payment-worker``, ``payment-announce``.
    """

    def __init__(
        self, home: Path, *, database_url: str, redis_url: str, services: bool = False
    ) -> None:
        self.home = home
        self.name = f"{'town' if services else 'e2e'}_{os.getpid()}"
        self.services = SERVICES if services else ()
        self._server = database_url
        parts = dict(conninfo_to_dict(database_url))
        # The own database on the test session's server, so that the wiping of others spares it.
        own = make_conninfo(**{**parts, "dbname": self.name})
        self.ports = {name: free_port() for name in PORTS}
        self.metrics = home / "metrics"
        self.environment = {
            "PROMETHEUS_MULTIPROC_DIR": str(self.metrics),
            **{f"{name}_PORT": str(port) for name, port in self.ports.items()},
            "FICUS_HOME": str(home),
            "STANDIN_WEBHOOK_SECRET": secrets.token_hex(16),
            "DATABASE_URL": own,
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "shop.settings.dev",
            "PYTHONUNBUFFERED": "1",
            "WEB_WORKERS": "2",
            "PLACE_MODULES": str(services),
            # All shoppers of a test come from one address, and faster than people do.
            "RATE_LIMIT_IDENTITY": "100000",
            "RATE_LIMIT_ADDRESS": "500000",
        }
        self.database_url = own
        self._env = load(self.environment)
        declared = processes(self._env, home, MODULES)
        self.declared: dict[str, Process] = {process.name: process for process in declared}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.base = f"http://127.0.0.1:{self.ports['PROXY']}"
        self.web = f"http://127.0.0.1:{self.ports['WEB']}"  # past the front door
        self.admin = f"http://127.0.0.1:{self.ports['PROXY_ADMIN']}"  # the front door's own
        self.service_urls = {
            name: f"http://127.0.0.1:{self.ports[name.upper()]}" for name in self.services
        }
        self.http = plain.client(base_url=self.base, timeout=40)

    def __enter__(self) -> RunningShop:
        self.metrics.mkdir(exist_ok=True)  # before the first command, which has metrics, too
        try:
            template.make_database(self.name, self._migrate, server_url=self._server)
            self.manage("bootstrap")
            self.manage("routes", "--write")
            prepare_services(self._env, self.home, MODULES, database_url=self.database_url)
            for name, process in self.declared.items():
                if process.after:
                    self._wait_until(process.after)
                self.start(name)
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        for name in reversed(list(self.running)):
            self.stop(name)
        with psycopg.connect(self._server, autocommit=True) as server:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            for name in (self.name, *(f"{self.name}_{service}" for service in self.services)):
                server.execute(drop.format(sql.Identifier(name)))

    def _migrate(self, database: str) -> None:
        parts = conninfo_to_dict(self._server) | {"dbname": database}
        # All modules, whatever this shop has retired: others get copies of what it makes first.
        whole = {"DATABASE_URL": make_conninfo(**parts), "RETIRED_MODULES": ""}
        self.manage("migrate", "-v", "0", extra=whole)

    def manage(
        self, *arguments: str, check: bool = True, extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of manage.py in this shop."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.variables() | dict(extra or {}),
            capture_output=True,
            text=True,
            timeout=300,  # seconds; a migration of all modules on a very busy machine
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"manage.py {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def start(self, name: str, extra: Mapping[str, str] | None = None) -> None:
        """Start one of the shop's processes, in a session of its own."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.declared[name].command,
                cwd=ROOT,
                env=self.variables() | dict(self.declared[name].environment) | dict(extra or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """SIGKILL the process and all its children, as a crash would."""
        process = self.running.pop(name)
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_WITHIN)

    @contextlib.contextmanager
    def hanging(self, name: str) -> Iterator[None]:
        """The process stands still meanwhile, its connections open."""
        process = self.running[name]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def stop(self, name: str) -> None:
        """SIGTERM, and SIGKILL for what is still there after STOP_WITHIN."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_WITHIN)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        process.wait(STOP_WITHIN)

    def wait_ready(self) -> None:
        """Until the web says that it can do its work, and the front door leads there."""
        self._wait_until(f"{self.web}/readyz")
        self._wait_until(f"{self.base}/api/v1/problems")

    def _wait_until(self, url: str) -> None:
        eventually(lambda: self._answers(url), within=READY_WITHIN, what=f"an answer of {url}")

    def condition(self, name: str) -> str:
        """Whether the process runs, or how it ended."""
        process = self.running.get(name)
        code = process.poll() if process else None
        return "stopped" if process is None else "running" if code is None else f"ended {code}"

    def said(self, name: str) -> str:
        """The end of the process's log, as long as there is one."""
        log = self.home / f"{name}.log"
        return log.read_text()[-3000:] if log.exists() else ""

    def failed_requests(self, most: int = 10) -> str:
        """The last lines of the front door's access log about answers of 500 and above."""
        log = self.home / "proxy" / "access.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return "\n".join([line for line in lines if FAILED.search(line)][-most:])

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows straight from the shop's database (names qualified by schema)."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement, values or None).fetchall()  # type: ignore[arg-type]

    def _answers(self, url: str) -> bool:
        for name, process in self.running.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} {self.condition(name)}: {self.said(name)}")
        try:
            return plain.get(url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def variables(self) -> dict[str, str]:
        """What the shop's processes have in common."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "FICUS", "DJANGO"))
        }
        return inherited | self.environment
