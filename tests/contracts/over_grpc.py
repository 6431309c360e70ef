"""The way over gRPC: a server in threads of this process, behind a relay that harms connections."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from modules.platform.binding import bound, routed
from modules.platform.contracts import module_of
from modules.platform.discovery import Instance, LeastLoaded
from modules.platform.discovery.instances import Role
from modules.platform.grpc_calls.channels import Channels
from modules.platform.grpc_calls.messages.library import Library, committed, library
from modules.platform.grpc_calls.route import GrpcRoute
from modules.platform.grpc_calls.server import GrpcServer
from modules.platform.proto.files import file_from, file_of, text_of
from modules.platform.rpc import Calls
from tests.contracts.between import Fault
from tests.contracts.frames import FrameRelay
from tests.contracts.hosted import ISSUER, Hosted, trusting
from tests.contracts.ways import PATIENT
from tests.platform.rpc import desk

# The first answer is lost with its connection, so that every test has a command done twice. Less
# than half of the calls, or the breaker would speak up.
UNKIND = (Fault.LOSE, Fault.DELAY, Fault.NONE, Fault.CUT, Fault.DELAY, Fault.NONE)
MAX_BYTES = 5_000_000


def _messages_of(port: type) -> Library:
    """This process's; of ``Desk``, which is a test's own contract, made here."""
    if port is not desk.Desk:
        return library()
    sys.modules["modules.desk.contract.types"] = desk
    for cls in (desk.Note, desk.KeepNote):
        cls.__module__ = "modules.desk.contract.types"
    classes = (desk.Desk, desk.DeskError, desk.NoteKept, desk.PenEmpty)
    file = file_from("desk", classes)
    return Library(
        files=lambda module: file if module == "desk" else file_of(module),
        texts=lambda module: text_of(file) if module == "desk" else committed(module),
    )


class Offered:
    """One instance at ``grpc_url``; nothing listens where it says HTTP is, unless told."""

    def __init__(self, module: str, grpc_url: str, url: str = "http://127.0.0.1:1") -> None:
        self._one = Instance(
            id=f"{module}@grpc",
            module=module,
            url=url,
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
        self.relay: FrameRelay | None = None
        self._is_kind = False

    @contextmanager
    def __call__(self, port: type, implementation: object) -> Iterator[None]:
        known = _messages_of(port)
        calls = Calls(issuer=ISSUER, keys=self._host.caller_keys, policy=PATIENT)
        channels = Channels(max_bytes=MAX_BYTES, library=lambda: known)
        with self._served(known) as relay:
            chooser = LeastLoaded(Offered(module_of(port), relay.url))
            way = GrpcRoute(
                chooser, made_by=lambda: calls, over=lambda: channels, library=lambda: known
            )
            try:
                with trusting(self._host), bound(port, implementation), routed(port, way):
                    yield
            finally:
                channels.close()
                calls.close()

    @contextmanager
    def _served(self, known: Library) -> Iterator[FrameRelay]:
        server = GrpcServer((), threads=4, library=known)
        relay = self.relay = FrameRelay(("127.0.0.1", server.start().port))
        relay.plan(*(() if self._is_kind else UNKIND))
        try:
            yield relay
        finally:
            relay.close()
            server.stop(grace=5)

    def lose_nothing(self) -> None:
        self._is_kind = True
        if self.relay is not None:
            self.relay.plan()
