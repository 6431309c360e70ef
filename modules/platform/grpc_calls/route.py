"""The way of a call over gRPC; ``ways.way_to`` says when it is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from modules.platform.binding import Method
from modules.platform.binding.routes import guard
from modules.platform.contracts import ContractError
from modules.platform.grpc_calls.calling import Ways, perform
from modules.platform.grpc_calls.channels import Channels, channels
from modules.platform.grpc_calls.messages.calls import MethodMessages
from modules.platform.grpc_calls.messages.library import Library, library
from modules.platform.rpc import Calls, Chooser, calls
from modules.platform.rpc.metrics import CALL_SECONDS, CALLS
from modules.platform.rpc.wire import Wire


class GrpcRoute:
    """The module is answered by one of the instances that ``chooser`` knows, over gRPC by those
    that offer it. Made with the contract's ``.proto``: raises ProtoError without one.
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
        wire, name = Wire(method), method.full_name
        messages = MethodMessages(method, self._library())
        seconds = CALL_SECONDS.labels(name)

        def remote(*args: Any, **kwargs: Any) -> Any:
            guard(method)
            ways = Ways(wire=wire, messages=messages, channels=self._over())
            started, outcome = time.perf_counter(), "failed"
            try:
                answer = perform(ways, self._chooser, self._made_by(), args, kwargs)
                outcome = "answered"
                return answer
            except ContractError as error:
                outcome = error.code
                raise
            finally:
                seconds.observe(time.perf_counter() - started)
                CALLS.labels(name, outcome).inc()

        return remote
