"""The way of a call to a module whose work may be divided between this host and its service."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from modules.platform.binding import Method, Route
from modules.platform.contracts import ContractError, Unavailable, current_context
from modules.platform.placement.buckets import BUCKETS, bucket_of_call
from modules.platform.placement.metrics import CALL_SECONDS, CALLS, CALLS_FAILED, FALLBACKS
from modules.platform.placement.watching import Watcher
from modules.platform.rpc import ModuleResting, ModuleUnreachable


class SplitRoute:
    """``local`` or ``remote``, by the share of ``watcher``'s table and the asker's bucket.

    A call that was meant for the service and finds nobody there is answered here. That repeats
    nothing that another attempt at the service would not: both sides work on the same data, in
    which a command's idempotency key stands, and a query changes nothing.
    """

    def __init__(self, local: Route, remote: Route, watcher: Watcher) -> None:
        self._local, self._remote = local, remote
        self._watcher = watcher

    def caller(self, method: Method) -> Callable[..., Any]:
        module, of = method.module, self._watcher.of
        local = self._local.caller(method)
        ours = measured(module, "local", local)
        service = measured(module, "service", self._remote.caller(method))
        remote = _falling_back(module, service, local)
        here, there = CALLS.labels(module, "local"), CALLS.labels(module, "service")

        def split(*args: Any, **kwargs: Any) -> Any:
            percent = of(module).percent
            if not percent:
                return local(*args, **kwargs)
            if percent < BUCKETS and bucket_of_call(current_context()) < BUCKETS - percent:
                here.inc()
                return ours(*args, **kwargs)
            there.inc()
            return remote(*args, **kwargs)

        return split


def measured(module: str, side: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same, counted: how long, and whether it ended in a fault.

    A refusal of the contract is an answer; unless it says that the module could not do its work.
    """
    took, failed = CALL_SECONDS.labels(module, side), CALLS_FAILED.labels(module, side)

    def called(*args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        try:
            return call(*args, **kwargs)
        except Exception as error:
            if not isinstance(error, ContractError) or isinstance(error, Unavailable):
                failed.inc()
            raise
        finally:
            took.observe(perf_counter() - began)

    return called


def _falling_back(
    module: str, remote: Callable[..., Any], local: Callable[..., Any]
) -> Callable[..., Any]:
    fallbacks = FALLBACKS.labels(module)

    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return remote(*args, **kwargs)
        except (ModuleUnreachable, ModuleResting):  # never of a module that the service called
            fallbacks.inc()
        return local(*args, **kwargs)

    return called
