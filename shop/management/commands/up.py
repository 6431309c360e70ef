"""``manage.py up``: the whole shop on one machine, until Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from modules.extraction.retiring.composition import check_composition
from modules.platform.hosting.environment import Environment
from modules.platform.hosting.running.process import Process, Source
from modules.platform.hosting.running.up import UpCommand
from shop.host import HOST
from shop.running.own_services import OwnServices
from shop.running.preparing import ADMIN_EMAIL, admin_password, prepare
from shop.running.processes import DOOR, processes
from shop.running.routing import write_document
from shop.running.services import WEB, port_variable, prepare_services, service_urls

PLACING = "PLACE_MODULES"


class Command(UpCommand):
    help = (
        "Prepare and run the whole shop: front door, web, worker, relay, beat, stand-in, mailbox, "
        "and the services beside it."
    )
    host = HOST

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--no-data", action="store_true", help="Do not load goods at first.")

    def handle(self, *args: Any, **options: Any) -> None:
        # On one machine the services are there, so work may be moved to them.
        os.environ.setdefault(PLACING, "true")
        super().handle(*args, **options)

    def processes(self, env: Environment, home: Path) -> Sequence[Process]:
        return processes(env, home, settings.FICUS_MODULES, database_url=settings.DATABASE_URL)

    def source(self, env: Environment, home: Path) -> Source:
        return OwnServices(env, home, settings.FICUS_MODULES, database_url=settings.DATABASE_URL)

    def prepare(self, env: Environment, home: Path, **options: Any) -> None:
        prepare(home, with_data=not options["no_data"])
        check_composition()
        modules, url = settings.FICUS_MODULES, settings.DATABASE_URL
        prepare_services(env, home, modules, database_url=url)
        write_document(env, home)

    def questions(self, env: Environment) -> Mapping[str, str]:
        door = f"http://127.0.0.1:{env.read('PROXY_PORT')}/api/v1/problems"
        services = {
            f"{name}-{WEB}": f"{url}/readyz"
            for name, url in service_urls(env, settings.FICUS_MODULES).items()
        }
        return {**super().questions(env), **services, DOOR: door}

    def announcement(self, env: Environment, home: Path, running: set[str]) -> str:
        """Where the shop is: at the front door, if that is run; and its services."""
        port = env.read("PROXY_PORT") if DOOR in running else env.read("WEB_PORT")
        address = f"http://localhost:{port}"
        return (
            f"\n  {settings.SHOP_NAME} is open.\n"
            f"  API    {address}/api/v1/catalog/products\n"
            f"  Docs   {address}/api/v1/docs\n"
            f"  Admin  {address}/admin/   {ADMIN_EMAIL} / {admin_password(home)}\n"
            f"{_services_text(env, running)}"
            f"  Ctrl-C stops everything.\n"
        )


def _services_text(env: Environment, running: set[str]) -> str:
    urls = service_urls(env, settings.FICUS_MODULES)
    here = [name for name in urls if f"{name}-{WEB}" in running]
    lines = [
        f"  Beside {name:<13} http://localhost:{env.read(port_variable(name))}\n" for name in here
    ]
    moves = [
        f"  To move work there: manage.py placement set {name} --percent 50 --reason WHY\n"
        for name in here[:1]
    ]
    return "".join([*lines, *moves])
