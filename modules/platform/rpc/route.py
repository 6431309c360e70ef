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
from modules.platform.rpc.carriers import HttpCarrier
from modules.platform.rpc.choosing import Chooser
from modules.platform.rpc.metrics import CALL_SECONDS, CALLS
from modules.platform.rpc.wire import Wire


class RemoteRoute:
    """The module is answered by one of the instances that ``chooser`` knows."""

    def __init__(self, chooser: Chooser, *, made_by: Callable[[], Calls] = calls) -> None:
        self._chooser = chooser
        self._made_by = made_by

    def caller(self, method: Method) -> Callable[..., Any]:
        wire, run = Wire(method), counted(method)

        def remote(*args: Any, **kwargs: Any) -> Any:
            guard(method)
            body, made_by = wire.pack(args, kwargs), self._made_by()
            carrier = HttpCarrier(wire, made_by, lambda: body)
            return run(lambda: perform(method, (carrier,), self._chooser, made_by))

        return remote


def counted(method: Method) -> Callable[[Callable[[], Any]], Any]:
    """Runs a call of ``method``, with its time and its outcome in the metrics."""
    name, seconds = method.full_name, CALL_SECONDS.labels(method.full_name)

    def run(call: Callable[[], Any]) -> Any:
        started, outcome = time.perf_counter(), "failed"
        try:
            answer = call()
            outcome = "answered"
            return answer
        except ContractError as error:
            outcome = error.code
            raise
        finally:
            seconds.observe(time.perf_counter() - started)
            CALLS.labels(name, outcome).inc()

    return run
