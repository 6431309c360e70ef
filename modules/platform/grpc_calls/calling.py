"""One call over gRPC, with the machinery of ``rpc.calling``: only how it is carried differs.

Attempts choose anew: an instance that does not offer gRPC is asked over HTTP, by the same call.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from modules.platform.contracts import CallContext, current_context
from modules.platform.contracts.codec import CodecError
from modules.platform.discovery import Instance
from modules.platform.grpc_calls.channels import Channels, Told
from modules.platform.grpc_calls.messages.calls import MethodMessages
from modules.platform.resilience import BulkheadFull, Deadline, SwitchedOff
from modules.platform.rpc.calling import _Call, _deadline_of
from modules.platform.rpc.calls import Calls
from modules.platform.rpc.choosing import Chooser
from modules.platform.rpc.errors import CallMisunderstood, MethodSwitchedOff, ModuleOverloaded
from modules.platform.rpc.transport import Headers
from modules.platform.rpc.wire import OUTCOME, Outcome, Wire

Pack = Callable[[], bytes]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Both ways of one method, and the channels of this process."""

    wire: Wire
    messages: MethodMessages
    channels: Channels


class _Carried:
    """``Calls`` whose connections are channels: a stand-in for the time of one attempt."""

    def __init__(self, calls: Calls, ways: Ways) -> None:
        self._calls, self._ways = calls, ways
        self.transport = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    def address(self, url: str, path: str) -> str:
        """As it is: channels know the rest."""
        return url

    def post(self, to: str, headers: Headers, body: bytes, deadline: Deadline) -> Told:
        """Raises NoAnswer."""
        return self._ways.channels.post(to, self._ways.messages.path, headers, body, deadline)


class GrpcCall(_Call):
    """One call with all its attempts, each by what the chosen instance offers."""

    def __init__(
        self,
        ways: Ways,
        chooser: Chooser,
        calls: Calls,
        packs: tuple[Pack, Pack],
        context: CallContext,
        deadline: Deadline,
    ) -> None:
        """``packs``: the arguments as JSON, and as protobuf."""
        super().__init__(ways.wire, chooser, calls, b"", context, deadline)
        self._ways, self._packs = ways, packs
        self._carriers: tuple[Any, Any] = (calls, _Carried(calls, ways))
        self._bodies: dict[bool, bytes] = {}
        self._by_grpc = False

    def _sent_to(self, one: Instance) -> Any:
        self._by_grpc = bool(one.grpc_url) and self._ways.channels.usable
        self._calls = self._carriers[self._by_grpc]
        body = self._bodies.get(self._by_grpc)
        if body is None:
            body = self._bodies[self._by_grpc] = self._packs[self._by_grpc]()
        self._body = body
        if self._by_grpc:
            one = dataclasses.replace(one, url=one.grpc_url)
        return super()._sent_to(one)

    def _read(self, answer: Any, one: Instance) -> Any:
        if not self._by_grpc or answer.header(OUTCOME) != Outcome.ANSWERED:
            return super()._read(answer, one)
        try:
            return self._ways.messages.unpack_answer(answer.body)
        except CodecError as error:
            raise CallMisunderstood(self._name, "bad_answer", str(error)) from error


def perform(
    ways: Ways, chooser: Chooser, calls: Calls, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call ``ways.wire.method``. Raises what ``rpc.calling.perform`` raises."""
    module, name = ways.wire.method.module, ways.wire.method.full_name
    context = current_context()
    deadline = _deadline_of(context, calls.policy.timeout_of(name))

    def packed() -> bytes:
        try:
            return ways.messages.pack(args, kwargs)
        except CodecError as error:
            raise CallMisunderstood(name, "bad_arguments", f"{error}.") from error

    packs: tuple[Pack, Pack] = (lambda: ways.wire.pack(args, kwargs), packed)
    try:
        calls.switches.check(name)
        with calls.bulkhead(module).enter(timeout=deadline.remaining()):
            return GrpcCall(ways, chooser, calls, packs, context, deadline).made()
    except SwitchedOff as error:
        raise MethodSwitchedOff(module=module, method=name, reason=error.reason) from error
    except BulkheadFull as error:
        limit = calls.policy.concurrency
        raise ModuleOverloaded(module=module, method=name, limit=limit) from error
