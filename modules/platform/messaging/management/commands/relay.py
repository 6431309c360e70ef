"""``manage.py relay``: sends the events of this host's modules until it is told to stop."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandParser

from modules.platform.console import ConsoleCommand, stop_by_signal
from modules.platform.messaging.authority import hosted_modules
from modules.platform.messaging.carrier import carrier
from modules.platform.messaging.relay_process import RelayProcess
from modules.platform.messaging.wake import Listener, wake_url


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReport:
    """Why the relay ended."""

    modules: tuple[str, ...]
    stopped_by: str


class Command(ConsoleCommand):
    help = "Send the events of this host's modules. Several may run; SIGTERM ends it cleanly."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--module", action="append", help="Only this module; may be repeated.")

    def run(self, *, module: list[str] | None, **options: Any) -> RelayReport:
        stop = stop_by_signal()
        chosen = tuple(module or ())
        modules = (lambda: chosen) if chosen else hosted_modules
        sys.stderr.write(f"relay: serving {', '.join(modules())}\n")
        RelayProcess(carrier(), Listener(wake_url()), modules).run(stop)
        return RelayReport(modules=modules(), stopped_by=stop.by)

    def render(self, report: RelayReport) -> str:
        return f"relay: stopped by {report.stopped_by}"
