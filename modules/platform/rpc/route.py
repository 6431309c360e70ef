"""The way of a call to another host: ``route(Payment, RemoteRoute(LeastLoaded(source)))``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from modules.platform.binding import Method
from modules.platform.binding.routes import guard
from modules.platform.contracts import ContractError
from modules.platform.rpc.calling import perform
from modules.platform.rpc.calls import Calls, calls
from modules.platform.rpc.choosing import Chooser
from modules.platform.rpc.metrics import CALL_SECONDS, CALLS
from modules.platform.rpc.wire import Wire


class RemoteRoute:
    """The module is answered by one of the instances that ``chooser`` knows."""

    def __init__(self, chooser: Chooser, *, made_by: Callable[[], Calls] = calls) -> None:
        self._chooser = chooser
        self._made_by = made_by

    def caller(self, method: Method) -> Callable[..., Any]:
        wire, name = Wire(method), method.full_name
        seconds = CALL_SECONDS.labels(name)

        def remote(*args: Any, **kwargs: Any) -> Any:
            guard(method)
            body = wire.pack(args, kwargs)
            started, outcome = time.perf_counter(), "failed"
            try:
                answer = perform(wire, self._chooser, self._made_by(), body)
                outcome = "answered"
                return answer
            except ContractError as error:
                outcome = error.code
                raise
            finally:
                seconds.observe(time.perf_counter() - started)
                CALLS.labels(name, outcome).inc()

        return remote
