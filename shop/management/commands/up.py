"""``manage.py up``: the whole shop on one machine, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.process import Process
from modules.platform.hosting.running.up import UpCommand
from shop.host import HOST
from shop.running.preparing import ADMIN_EMAIL, admin_password, prepare
from shop.running.processes import DOOR, processes
from shop.running.routing import write_document


class Command(UpCommand):
    help = (
        "Prepare and run the whole shop: front door, web, worker, relay, beat, stand-in, mailbox."
    )
    host = HOST

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-data", action="store_true", help="Do not load goods at first.")

    def processes(self, env: Environment, home: Path) -> Sequence[Process]:
        return processes(env, home, settings.FICUS_MODULES)

    def prepare(self, env: Environment, home: Path, **options: Any) -> None:
        prepare(home, with_data=not options["no_data"])
        write_document(env, home)

    def questions(self, env: Environment) -> Mapping[str, str]:
        door = f"http://127.0.0.1:{env.read('PROXY_PORT')}/api/v1/problems"
        return {**super().questions(env), DOOR: door}

    def announcement(self, env: Environment, home: Path, running: set[str]) -> str:
        """Where the shop is: at the front door, if that is run."""
        port = env.read("PROXY_PORT") if DOOR in running else env.read("WEB_PORT")
        address = f"http://localhost:{port}"
        return (
            f"\n  {settings.SHOP_NAME} is open.\n"
            f"  API    {address}/api/v1/catalog/products\n"
            f"  Docs   {address}/api/v1/docs\n"
            f"  Admin  {address}/admin/   {ADMIN_EMAIL} / {admin_password(home)}\n"
            f"  Ctrl-C stops everything.\n"
        )
