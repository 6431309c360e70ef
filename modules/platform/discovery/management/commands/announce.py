"""``manage.py announce``: keeps this host in the registry until it is told to stop."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from django.conf import settings
from django.core.management.base import CommandParser

from modules.platform.console import CommandFailed, ConsoleCommand, Exit, stop_by_signal
from modules.platform.discovery.announcer import Announced, Announcer
from modules.platform.discovery.client import RegistryClient
from modules.platform.discovery.compatibility import BadSchema, fingerprint_of, schema_of
from modules.platform.discovery.instances import Role
from modules.platform.discovery.probe import ListeningProbe, ReadinessProbe
from modules.platform.discovery.wire import Announcement


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnounceReport:
    """Who was announced, and why it ended."""

    id: str
    module: str
    url: str
    stopped_by: str


class Command(ConsoleCommand):
    help = "Keep this host in the registry while it is ready; SIGTERM takes it off the list."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--module", required=True, help="Whose calls this host answers.")
        parser.add_argument("--url", required=True, help="Where others reach it, without a path.")
        parser.add_argument("--registry", help="Its address; default: settings.REGISTRY_URL.")
        parser.add_argument("--role", choices=[str(role) for role in Role], default=str(Role.OWN))
        parser.add_argument("--id", default="", help="Default: module, machine and a random part.")
        parser.add_argument("--release", default="", help="The host's version, for people.")
        parser.add_argument("--capacity", type=int, default=8, help="Calls at once, 1 to 100.")
        parser.add_argument("--grpc-url", default="", help="grpc://host:port, if it has one.")
        parser.add_argument("--ask", default="", help="Where to ask /readyz; default: --url.")
        parser.add_argument(
            "--ask-grpc", default="", help="host:port of its gRPC, said while it listens there."
        )

    def run(self, **given: Any) -> AnnounceReport:
        registry = given["registry"] or getattr(settings, "REGISTRY_URL", "")
        if not registry:
            raise CommandFailed("say --registry, or set REGISTRY_URL", exit_code=Exit.USAGE)
        announced = announced_by(given, Path(settings.BASE_DIR))
        has_grpc = _listening(given["ask_grpc"])
        stop = stop_by_signal()
        sys.stderr.write(f"announce: {announced.id} at {announced.said.url}, to {registry}\n")
        with RegistryClient(registry) as client:
            probe = ReadinessProbe(given["ask"] or announced.said.url)
            Announcer(announced, client, probe=probe, has_grpc=has_grpc).run(stop)
        return AnnounceReport(
            id=announced.id,
            module=announced.said.module,
            url=announced.said.url,
            stopped_by=stop.by,
        )

    def render(self, report: AnnounceReport) -> str:
        return f"announce: {report.id} stopped by {report.stopped_by}"


def announced_by(given: dict[str, Any], root: Path) -> Announced:
    """The announcement that the options make. Raises CommandFailed naming what is wrong."""
    module = given["module"]
    try:
        schema = schema_of(module, root)
        said = msgspec.convert(
            {
                "module": module,
                "url": given["url"].rstrip("/"),
                "role": given["role"],
                "version": given["release"],
                "contract": fingerprint_of(schema)[1],
                "capacity": given["capacity"],
                "grpc_url": given["grpc_url"].rstrip("/"),
            },
            Announcement,
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{module} has no contract here", exit_code=Exit.USAGE) from error
    except (msgspec.ValidationError, BadSchema) as error:
        raise CommandFailed(str(error), exit_code=Exit.USAGE) from error
    # A new id for each start: what an operator dropped was the process that ran then.
    id = given["id"] or f"{module}-{socket.gethostname()[:60]}-{uuid4().hex[:8]}"
    return Announced(id=id, said=said, schema=schema)


def _listening(address: str) -> Callable[[], bool]:
    """Raises CommandFailed for what is no address."""
    if not address:
        return lambda: True
    try:
        return ListeningProbe(address)
    except ValueError as error:
        raise CommandFailed(f"--ask-grpc: {error}", exit_code=Exit.USAGE) from error
