"""The way over gRPC: a server in threads of this process, behind a relay that harms connections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modules.platform.binding import bound, methods_of, routed
from modules.platform.discovery import Instance, LeastLoaded
from modules.platform.discovery.instances import Role
from modules.platform.grpc_calls.channels import Channels
from modules.platform.grpc_calls.route import GrpcRoute
from modules.platform.grpc_calls.server import GrpcServer
from modules.platform.rpc import Calls
from tests.contracts.frames import FrameRelay
from tests.contracts.hosted import ISSUER, Hosted, trusting
from tests.contracts.relay import Fault
from tests.contracts.ways import PATIENT

# The first answer is lost with its connection, so that every test has a command done twice. Less
# than half of the calls, or the breaker would speak up.
UNKIND = (Fault.LOSE, Fault.DELAY, Fault.NONE, Fault.CUT, Fault.DELAY, Fault.NONE)
MAX_BYTES = 5_000_000


class Offered:
    """One instance at ``grpc_url``; nothing listens where it says HTTP is."""

    def __init__(self, module: str, grpc_url: str) -> None:
        self._one = Instance(
            id=f"{module}@grpc",
            module=module,
            url="http://127.0.0.1:1",
            role=Role.OWN,
            grpc_url=grpc_url,
        )

    def instances(self, module: str) -> tuple[Instance, ...]:
        return (self._one,) if module == self._one.module else ()


class OverGrpc:
    """By real gRPC to a host, through a relay that delays, loses and cuts off.

    ``host`` is the one that serves HTTP: its keys and trust are used, its server is not.
    """

    def __init__(self, host: Hosted) -> None:
        self._host = host
        self.server = GrpcServer((), threads=4)
        port = self.server.start().port
        self.relay = FrameRelay(("127.0.0.1", port))
        self.relay.plan(*UNKIND)

    @contextmanager
    def __call__(self, port: type, implementation: object) -> Iterator[None]:
        calls = Calls(issuer=ISSUER, keys=self._host.caller_keys, policy=PATIENT)
        channels = Channels(max_bytes=MAX_BYTES)
        module = next(iter(methods_of(port).values())).module
        chooser = LeastLoaded(Offered(module, self.relay.url))
        way = GrpcRoute(chooser, made_by=lambda: calls, over=lambda: channels)
        try:
            with trusting(self._host), bound(port, implementation), routed(port, way):
                yield
        finally:
            channels.close()
            calls.close()

    def lose_nothing(self) -> None:
        self.relay.plan()

    def close(self) -> None:
        self.relay.close()
        self.server.stop(grace=5)
