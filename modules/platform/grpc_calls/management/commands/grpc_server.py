"""``manage.py grpc_server``: answers other hosts' calls over gRPC until it is told to stop."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management.base import CommandParser

from modules.platform.console import CommandFailed, ConsoleCommand, Exit, stop_by_signal
from modules.platform.proto import ProtoError

if TYPE_CHECKING:
    import grpc

THREADS = 8  # of them each may hold a connection to the database: no more than its pool has
GRACE = 8.0  # seconds: who starts this host waits 10 until it kills


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
        parser.add_argument("--grace", type=float, default=GRACE, help="Seconds for a soft end.")
        parser.add_argument("--certificate", default="", help="Its chain (PEM); empty: no TLS.")
        parser.add_argument("--key", default="", help="The private key of the certificate (PEM).")

    def run(
        self, *, host: str, port: int, threads: int, grace: float, certificate: str, key: str
    ) -> GrpcServerReport:
        if threads < 1 or not 0 <= port < 65_536:
            raise CommandFailed("threads are 1 or more, ports 0 to 65535", exit_code=Exit.USAGE)
        # gRPC begins threads when it is imported and used: only in this very process.
        from modules.platform.grpc_calls.server import GrpcServer, PortTaken

        credentials = _credentials(certificate, key)
        name = f"[{host}]" if ":" in host and not host.startswith("[") else host
        try:
            server = GrpcServer(settings.FICUS_MODULES, threads=threads)
            stop = stop_by_signal()
            served = server.start(f"{name}:{port}", credentials=credentials)
        except (ProtoError, PortTaken) as error:
            raise CommandFailed(str(error)) from error
        address, how = f"{name}:{served.port}", "TLS" if credentials else "no TLS"
        sys.stderr.write(f"grpc_server: {', '.join(served.services)} at {address} ({how})\n")
        sys.stderr.flush()
        stop.wait()
        server.stop(grace)
        return GrpcServerReport(address=address, services=served.services, stopped_by=stop.by)

    def render(self, report: GrpcServerReport) -> str:
        return f"grpc_server: {report.address} stopped by {report.stopped_by}"


def _credentials(certificate: str, key: str) -> grpc.ServerCredentials | None:
    """Those in the two files; None without them. Raises CommandFailed naming what cannot be read.

    gRPC itself would take what is no key, listen, and refuse every caller.
    """
    if not (certificate or key):
        return None
    import ssl

    import grpc

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        chain, private = Path(certificate).read_bytes(), Path(key).read_bytes()
    except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
        raise CommandFailed(
            f"certificate {certificate or 'none'} and key {key or 'none'} cannot be used: {error}"
        ) from error
    return grpc.ssl_server_credentials([(private, chain)])
