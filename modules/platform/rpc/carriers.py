"""What carries the attempts of a call: how its arguments are written, sent, and its answer read.

There is HTTP, here, which every instance has; and gRPC, in ``modules.platform.grpc_calls``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from modules.platform.contracts.codec import decode
from modules.platform.discovery import Instance
from modules.platform.resilience import Deadline
from modules.platform.rpc.calls import Calls
from modules.platform.rpc.transport import Headers
from modules.platform.rpc.wire import CONTENT_TYPE, DEADLINE, OUTCOME, Wire

_CONTENT_TYPE = (b"Content-Type", CONTENT_TYPE.encode())


class Told(msgspec.Struct, frozen=True):
    """What came back. ``status`` is HTTP's, or what HTTP would have; ``outcome`` is empty when
    somebody in between has answered. ``body``: a value as its carrier writes it, or JSON
    (``wire.Raised``, ``wire.Refused``).
    """

    status: int
    outcome: str
    body: bytes


class Carrier(Protocol):
    """Of one call, for all its attempts."""

    name: str

    def url_of(self, one: Instance) -> str:
        """Where it reaches ``one``; empty when it does not."""
        ...

    def body(self) -> bytes:
        """The arguments. Raises CallMisunderstood for what cannot be written."""
        ...

    def exchange(self, url: str, headers: Headers, body: bytes, deadline: Deadline) -> Told:
        """Send and wait for the whole answer. Raises NoAnswer."""
        ...

    def value(self, body: bytes) -> Any:
        """The answer's value. Raises CodecError."""
        ...


class HttpCarrier:
    """JSON over HTTP."""

    name = "http"

    def __init__(self, wire: Wire, calls: Calls, packed: Callable[[], bytes]) -> None:
        """``packed`` gives the arguments, when they are needed."""
        self._wire, self._calls, self._packed = wire, calls, packed

    def url_of(self, one: Instance) -> str:
        return one.url

    def body(self) -> bytes:
        return self._packed()

    def exchange(self, url: str, headers: Headers, body: bytes, deadline: Deadline) -> Told:
        left = max(1, int(deadline.remaining() * 1000))
        answer = self._calls.transport.post(
            self._calls.address(url, self._wire.path),
            [_CONTENT_TYPE, *headers, (DEADLINE.encode(), b"%d" % left)],
            body,
            deadline,
        )
        return Told(answer.status, answer.header(OUTCOME), answer.body)

    def value(self, body: bytes) -> Any:
        return decode(body, self._wire.method.returns)
