"""A host that answers ``Shelf`` over real gRPC, a relay before it, and a caller's side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from modules.platform.binding import bound, routed
from modules.platform.discovery import LeastLoaded
from modules.platform.grpc_calls.channels import Channels
from modules.platform.grpc_calls.route import GrpcRoute
from modules.platform.grpc_calls.server import GrpcServer
from modules.platform.keys import KeyRing
from modules.platform.resilience import RetryPolicy
from modules.platform.rpc import CallPolicy, Calls
from tests.contracts.frames import FrameRelay
from tests.contracts.hosted import ISSUER, Hosted, trusting
from tests.contracts.over_grpc import Offered
from tests.platform.grpc_calls.shelf import Librarian, Shelf, shelf_library

LIBRARY = shelf_library()
MAX_BYTES = 200_000
POLICY = CallPolicy(retries=RetryPolicy(attempts=3, base=0.005, longest=0.02))

Connect = Callable[..., Calls]


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Hosted:
    """Its keys and whom it trusts; it serves no HTTP."""
    ring = KeyRing(tmp_path_factory.mktemp("host") / ISSUER)
    ring.signing()
    return Hosted(("127.0.0.1", 1), ring)


@pytest.fixture
def librarian(host: Hosted) -> Iterator[Librarian]:
    """The implementation, answered by this process."""
    librarian = Librarian()
    with trusting(host), bound(Shelf, librarian):
        yield librarian


@pytest.fixture
def server(librarian: Librarian, settings: object) -> Iterator[tuple[str, int]]:
    settings.RPC_MAX_BYTES = MAX_BYTES  # type: ignore[attr-defined]
    server = GrpcServer(("shelf",), threads=4, library=LIBRARY)
    yield "127.0.0.1", server.start().port
    server.stop(grace=5)


@pytest.fixture
def relay(server: tuple[str, int]) -> Iterator[FrameRelay]:
    relay = FrameRelay(server)
    yield relay
    relay.close()


@pytest.fixture
def connect(host: Hosted, librarian: Librarian) -> Iterator[Connect]:
    """``connect(url, ...)``: calls of Shelf go to this instance, made by Calls of their own."""
    with ExitStack() as stack:

        def to(url: str, policy: CallPolicy = POLICY, **options: object) -> Calls:
            given = {"issuer": ISSUER, "keys": host.caller_keys, "policy": policy} | options
            calls = Calls(**given)  # type: ignore[arg-type]
            channels = Channels(max_bytes=policy.max_bytes, library=lambda: LIBRARY)
            stack.callback(calls.close)
            stack.callback(channels.close)
            way = GrpcRoute(
                LeastLoaded(Offered("shelf", url)),
                made_by=lambda: calls,
                over=lambda: channels,
                library=lambda: LIBRARY,
            )
            stack.enter_context(routed(Shelf, way))
            return calls

        yield to


@pytest.fixture
def calls(connect: Connect, relay: FrameRelay) -> Calls:
    """The caller's side, connected through the relay, which does no harm unless told."""
    return connect(relay.url)


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    """Those of somebody whom the host does not trust."""
    ring = KeyRing(tmp_path / "stranger")
    ring.signing()
    return ring
