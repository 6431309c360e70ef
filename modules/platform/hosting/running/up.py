"""``manage.py up``: all of a host on one machine, until Ctrl-C. A host says what is its own."""

from __future__ import annotations

import shutil
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import redis
from celery import current_app
from celery.exceptions import OperationalError
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from modules.platform.console import CommandFailed
from modules.platform.hosting.environment import EnvError, Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.running.ports import require_free_ports
from modules.platform.hosting.running.process import Process, Source, nothing_more
from modules.platform.hosting.running.supervisor import run_together
from modules.platform.hosting.servers import stop_servers

READY_WITHIN = 60.0  # seconds; a cold start on a slow disk takes about 10


class UpCommand(BaseCommand):
    """Base of a host's ``up``: prepares, says where it is once it answers, runs, stops all."""

    requires_system_checks: Any = []
    host: Host

    def processes(self, env: Environment, home: Path) -> Sequence[Process]:
        """Everything that is run, in starting order."""
        raise NotImplementedError

    def source(self, env: Environment, home: Path) -> Source:
        """Who says what else should run, as things stand at the moment."""
        return nothing_more

    def questions(self, env: Environment) -> Mapping[str, str]:
        """Process to the address at which it answers 200 when it is ready."""
        return {"web": f"http://127.0.0.1:{env.read('WEB_PORT')}/readyz"}

    def announcement(self, env: Environment, home: Path, running: set[str]) -> str:
        """What to say when all that is asked is ready."""
        raise NotImplementedError

    def prepare(self, env: Environment, home: Path, **options: Any) -> None:
        """Make it ready to be started. Raises CommandFailed."""
        prepare_host()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--only", default="", help="Run only these, comma-separated; no others join them."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        home, env = Path(settings.FICUS_HOME), self.host.environment()
        try:
            chosen = _chosen(self.processes(env, home), options["only"])
            require_free_ports(chosen)
            environment = _environment(home)
            self.prepare(env, home, **options)
        except CommandFailed as error:
            self.stderr.write(f"up: {error}")
            sys.exit(error.exit_code)
        names = {process.name for process in chosen}
        threading.Thread(target=self._announce, args=(env, home, names), daemon=True).start()
        source = nothing_more if options["only"] else self.source(env, home)
        code = run_together(chosen, environment, self.host.root, source=source)
        stop_servers(home)
        sys.exit(code)

    def _announce(self, env: Environment, home: Path, running: set[str]) -> None:
        asked = [address for name, address in self.questions(env).items() if name in running]
        if asked and all(map(_answers, asked)):
            self.stdout.write(self.announcement(env, home, running))


def prepare_host() -> None:
    """Ask Redis and the broker, migrate, put the modules' defaults in place.

    Raises ``redis.ConnectionError``, EnvError or ``psycopg.OperationalError`` for a server that is
    unreachable or refuses.
    """
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.ping()
    _ask_broker()
    call_command("migrate", verbosity=0)
    call_command("bootstrap")


def _ask_broker() -> None:
    with current_app.connection_for_write() as broker:
        try:
            broker.ensure_connection(max_retries=1, interval_start=0)
        except (OperationalError, *broker.connection_errors, *broker.channel_errors) as error:
            raise EnvError(f"the broker cannot be used (BROKER_URL): {error}") from error


def _chosen(everything: Sequence[Process], only: str) -> Sequence[Process]:
    if not only:
        return everything
    names = set(only.split(","))
    unknown = names - {process.name for process in everything}
    if unknown:
        known = ", ".join(process.name for process in everything)
        raise CommandFailed(f"there is no process {', '.join(sorted(unknown))}; there are {known}")
    return tuple(process for process in everything if process.name in names)


def _environment(home: Path) -> dict[str, str]:
    """What every process gets: where the servers are, and a place for its metrics."""
    metrics = home / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True)
    return {
        "DATABASE_URL": settings.DATABASE_URL,
        "REDIS_URL": settings.REDIS_URL,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "PYTHONUNBUFFERED": "1",
    }


def _answers(url: str) -> bool:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.2)
    return False
