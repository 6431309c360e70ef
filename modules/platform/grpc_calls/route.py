"""The way of a call over gRPC; ``ways.way_to`` says when it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules.platform.binding import Method
from modules.platform.binding.routes import guard
from modules.platform.grpc_calls.carrier import GrpcCarrier
from modules.platform.grpc_calls.channels import Channels, channels
from modules.platform.grpc_calls.messages.calls import MethodMessages
from modules.platform.grpc_calls.messages.library import Library, library
from modules.platform.rpc import Calls, Chooser, calls
from modules.platform.rpc.calling import perform
from modules.platform.rpc.carriers import HttpCarrier
from modules.platform.rpc.route import counted
from modules.platform.rpc.wire import Wire


class GrpcRoute:
    """The module is answered by one of the instances that ``chooser`` knows: over gRPC, and over
    HTTP by those that do not offer it, or do not answer over it. Made with the contract's
    ``.proto``: raises ProtoError without one.
    """

    def __init__(
        self,
        chooser: Chooser,
        *,
        made_by: Callable[[], Calls] = calls,
        over: Callable[[], Channels] | None = None,
        library: Callable[[], Library] = library,
    ) -> None:
        """``over``: the channels; this process's own unless told."""
        self._chooser = chooser
        self._made_by = made_by
        self._over = over or (lambda: channels(made_by().policy.max_bytes))
        self._library = library

    def caller(self, method: Method) -> Callable[..., Any]:
        wire, run = Wire(method), counted(method)
        messages = MethodMessages(method, self._library())

        def remote(*args: Any, **kwargs: Any) -> Any:
            guard(method)
            made_by = self._made_by()
            carriers = (
                GrpcCarrier(method.full_name, messages, self._over(), args, kwargs),
                HttpCarrier(wire, made_by, lambda: wire.pack(args, kwargs)),
            )
            return run(lambda: perform(method, carriers, self._chooser, made_by))

        return remote
