"""``manage.py grpc_server``: answers other hosts' calls over gRPC until it is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from types import FrameType

from django.conf import settings
from django.core.management.base import CommandParser

from modules.platform.console import CommandFailed, ConsoleCommand, Exit
from modules.platform.proto import ProtoError

THREADS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcServerReport:
    """What was served where, and why it ended."""

    address: str
    services: tuple[str, ...]
    stopped_by: str


class Command(ConsoleCommand):
    help = "Answer the calls of this host's modules over gRPC; SIGTERM ends it softly."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Where to listen.")
        parser.add_argument("--port", type=int, required=True, help="0: any that is free.")
        parser.add_argument("--threads", type=int, default=THREADS, help="Calls at once.")
        parser.add_argument("--grace", type=float, default=10.0, help="Seconds for a soft end.")

    def run(self, *, host: str, port: int, threads: int, grace: float) -> GrpcServerReport:
        if threads < 1 or not 0 <= port < 65_536:
            raise CommandFailed("threads are 1 or more, ports 0 to 65535", exit_code=Exit.USAGE)
        # gRPC begins threads when it is imported and used: only in this very process.
        from modules.platform.grpc_calls.server import GrpcServer, PortTaken

        try:
            server = GrpcServer(settings.FICUS_MODULES, threads=threads)
            stop, received = _stopping()
            served = server.start(f"{host}:{port}")
        except (ProtoError, PortTaken) as error:
            raise CommandFailed(str(error)) from error
        address = f"{host}:{served.port}"
        sys.stderr.write(f"grpc_server: {', '.join(served.services)} at {address}\n")
        sys.stderr.flush()
        stop.wait()
        server.stop(grace)
        return GrpcServerReport(
            address=address, services=served.services, stopped_by=" ".join(received)
        )

    def render(self, report: GrpcServerReport) -> str:
        return f"grpc_server: {report.address} stopped by {report.stopped_by}"


def _stopping() -> tuple[threading.Event, list[str]]:
    """Set by SIGTERM or SIGINT; and their names, as they come."""
    stop, received = threading.Event(), list[str]()

    def heard(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, heard)
    return stop, received
