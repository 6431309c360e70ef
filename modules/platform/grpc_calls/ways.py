"""Which way a module is called, as RPC_TRANSPORTS says; imports grpcio only where it says gRPC."""

from __future__ import annotations

from collections.abc import Callable

from modules.platform.binding import Route
from modules.platform.grpc_calls.settings import GRPC, transport_of
from modules.platform.rpc import Calls, Chooser, RemoteRoute, calls


def way_to(module: str, chooser: Chooser, *, made_by: Callable[[], Calls] = calls) -> Route:
    """``route(Payment, way_to("payment", LeastLoaded(source)))``.

    Raises BadTransport, and ``ImportError`` for gRPC where grpcio is not installed.
    """
    if transport_of(module) != GRPC:
        return RemoteRoute(chooser, made_by=made_by)
    from modules.platform.grpc_calls.route import GrpcRoute

    return GrpcRoute(chooser, made_by=made_by)
