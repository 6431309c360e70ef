"""``manage.py run PROCESS``: becomes one of the host's processes, as a container wants it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from modules.platform.hosting.host import Host
from modules.platform.hosting.running.process import Process
from modules.platform.hosting.running.processes import host_processes
from modules.platform.hosting.running.up import prepare_host


class Command(BaseCommand):
    help = "Become one process of this host: web, worker, relay, beat; grpc with GRPC_PORT."
    requires_system_checks: Any = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("process", metavar="PROCESS")
        parser.add_argument(
            "--prepare", action="store_true", help="First migrate, and put the defaults in place."
        )

    def handle(self, *args: Any, process: str, prepare: bool, **options: Any) -> None:
        known = declared()
        if process not in known:
            self.stderr.write(f"run: there is no process {process}; there are {', '.join(known)}")
            sys.exit(2)
        if prepare:
            prepare_host()
        chosen, root = known[process], Path(settings.BASE_DIR)
        os.chdir(root)
        os.execv(chosen.command[0], list(chosen.command))  # noqa: S606 - our own declaration


def declared() -> Mapping[str, Process]:
    """The processes of the host in force, by name."""
    host: Host = import_module(f"{settings.FICUS_HOST_PACKAGE}.host").HOST
    env, home = host.environment(), Path(settings.FICUS_HOME)
    found = host_processes(host, env, home, settings.FICUS_MODULES, entrance=settings.SHOP_URL)
    return {process.name: process for process in found}
