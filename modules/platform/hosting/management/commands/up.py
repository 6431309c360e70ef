"""``manage.py up`` of a standalone host: all of it on one machine, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from django.conf import settings

from modules.platform.hosting.environment import Environment
from modules.platform.hosting.host import Host
from modules.platform.hosting.running.process import Process
from modules.platform.hosting.running.processes import host_processes
from modules.platform.hosting.running.up import UpCommand


class Command(UpCommand):
    help = "Prepare and run this host alone: web, worker, relay, beat and what its module needs."

    @property
    def host(self) -> Host:  # type: ignore[override]
        """The host in force, from its own package."""
        found: Host = import_module(f"{settings.FICUS_HOST_PACKAGE}.host").HOST
        return found

    def processes(self, env: Environment, home: Path) -> Sequence[Process]:
        entrance = f"http://127.0.0.1:{env.read('WEB_PORT')}"
        return host_processes(self.host, env, home, self.host.modules, entrance=entrance)

    def announcement(self, env: Environment, home: Path, running: set[str]) -> str:
        from modules.platform.operators.management.commands.operator_link import operator_link

        address = f"http://localhost:{env.read('WEB_PORT')}"
        link = operator_link(label="local operator", permissions=())
        return (
            f"\n  {self.host.name} runs alone, on {settings.INSTANCE_ROLE} data.\n"
            f"  API    {address}/api/v1/{self.host.name}\n"
            f"  Docs   {address}/api/v1/docs\n"
            f"  Ready  {address}/readyz\n"
            f"  Admin  {address}{link.path}\n"
            f"         (opens once, within {link.minutes} minutes; then: manage.py operator_link)\n"
            f"  Ctrl-C stops everything.\n"
        )
