"""A gRPC server of this host's modules, in a process of its own, with health and a soft end.

Health is ``grpc.health.v1``, without a token, for the whole server ("") and for each service.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from modules.platform.binding import port_of
from modules.platform.grpc_calls.messages import library as own
from modules.platform.grpc_calls.messages.library import Library
from modules.platform.grpc_calls.metadata import LIMITS, Options
from modules.platform.grpc_calls.serving import Doors
from modules.platform.rpc import settings

log = structlog.get_logger(__name__)

GRACE = 8.0  # seconds that calls under way have once it is to stop; who starts it waits 10
WAITING = 2  # calls that wait for each thread; what comes on top is told to come again
SLACK = 100_000  # bytes over RPC_MAX_BYTES that are read, to be refused with a word
OPTIONS: Options = [
    *LIMITS,
    ("grpc.so_reuseport", 0),  # a port that is taken is an error, not a share of the calls
    # Callers ask every 10 s whether this host is there (channels.OPTIONS); never less than that.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A caller that went without a word frees its calls.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]


class PortTaken(Exception):
    """Nothing can listen there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a server listens, and the full names of its services."""

    port: int
    services: tuple[str, ...]


class GrpcServer:
    """Answers the calls of ``modules`` that this process has implementations of."""

    def __init__(self, modules: Iterable[str], *, threads: int, library: Library | None = None):
        """Raises ProtoError for a contract that has no (or another) ``.proto``."""
        doors = Doors(library or own.library())
        ports = [port for module in modules if (port := port_of(module)) is not None]
        self._services = tuple(doors.load(port) for port in ports)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="grpc")
        self._health = health.HealthServicer()
        self._server = grpc.server(
            self._pool,
            options=[
                *OPTIONS,
                ("grpc.max_receive_message_length", settings.max_bytes() + SLACK),
            ],
            maximum_concurrent_rpcs=threads * (1 + WAITING),
        )
        self._server.add_generic_rpc_handlers((doors,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def start(
        self, address: str = "127.0.0.1:0", *, credentials: grpc.ServerCredentials | None = None
    ) -> Served:
        """Listen at ``host:port``; port 0 is any free one. Raises PortTaken."""
        try:
            if credentials is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise PortTaken(f"nothing can listen at {address}: {error}") from error
        self._server.start()
        for name in ("", *self._services):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        log.info("grpc.serving", port=port, services=self._services)
        return Served(port=port, services=self._services)

    def stop(self, grace: float = GRACE) -> None:
        """Take no more calls, let those under way end for ``grace`` seconds, and be gone."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        self._pool.shutdown(wait=True)
        log.info("grpc.stopped")
