"""``manage.py up``: the whole shop on one machine, until Ctrl-C."""

from __future__ import annotations

import shutil
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from modules.platform.console import CommandFailed
from shop import env
from shop.running.ports import require_free_ports
from shop.running.preparing import ADMIN_EMAIL, admin_password, prepare
from shop.running.processes import DOOR, processes
from shop.running.routing import write_document
from shop.running.supervisor import run_together
from shop.servers import stop_servers

READY_WITHIN = 60.0  # seconds; a cold start on a slow disk takes about 10


class Command(BaseCommand):
    help = (
        "Prepare and run the whole shop: front door, web, worker, relay, beat, stand-in, mailbox."
    )
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", default="", help="Run only these, comma-separated.")
        parser.add_argument("--no-data", action="store_true", help="Do not load goods at first.")

    def handle(self, *args: Any, **options: Any) -> None:
        home: Path = settings.FICUS_HOME
        given = env.load()
        everything = processes(given, home, settings.FICUS_MODULES)
        try:
            chosen = _chosen(everything, options["only"])
            require_free_ports(chosen)
            prepare(home, with_data=not options["no_data"])
            write_document(given, home)
        except CommandFailed as error:
            self.stderr.write(f"up: {error}")
            sys.exit(error.exit_code)
        names = {process.name for process in chosen}
        threading.Thread(target=self._announce, args=(home, given, names), daemon=True).start()
        code = run_together(chosen, _environment(home))
        stop_servers(home)
        sys.exit(code)

    def _announce(self, home: Path, given: env.Environment, names: set[str]) -> None:
        """Say where the shop is, as soon as it is there: at the front door, if that is run."""
        web, door = given.read("WEB_PORT"), given.read("PROXY_PORT")
        asked = {"web": f"{web}/readyz", DOOR: f"{door}/api/v1/problems"}
        addresses = [f"http://127.0.0.1:{at}" for name, at in asked.items() if name in names]
        if not addresses or not all(map(_answers, addresses)):
            return
        address = f"http://localhost:{door if DOOR in names else web}"
        self.stdout.write(
            f"\n  {settings.SHOP_NAME} is open.\n"
            f"  API    {address}/api/v1/catalog/products\n"
            f"  Docs   {address}/api/v1/docs\n"
            f"  Admin  {address}/admin/   {ADMIN_EMAIL} / {admin_password(home)}\n"
            f"  Ctrl-C stops everything.\n"
        )


def _chosen(everything: Any, only: str) -> Any:
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
        "STANDIN_WEBHOOK_SECRET": settings.STANDIN_WEBHOOK_SECRET,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "PYTHONUNBUFFERED": "1",
    }


def _answers(url: str) -> bool:
    until = time.monotonic() + READY_WITHIN
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310
                return bool(response.status == 200)
        except OSError:
            time.sleep(0.2)
    return False
