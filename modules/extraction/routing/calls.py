"""The way of a call to a module that may have moved: to whoever has the authority, by epoch.

What this process knows decides first. If it is old, the answer says so: the monolith's database
refuses with ``Moved``, or the service does, and the same command with the same key goes to the
other side, within the caller's deadline. ``Fenced`` is waited for.

While a module moves, its calls are counted by side, as placement counts those that it divides: so
the service can be judged beside what the monolith did before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any

from modules.extraction.routing.watching import Authorities, Authority
from modules.platform.binding import Method, Route
from modules.platform.contracts import Fenced, Moved, current_context
from modules.platform.discovery import Instance
from modules.platform.discovery.errors import NoInstance
from modules.platform.placement.metrics import CALLS
from modules.platform.placement.splitting import measured
from modules.platform.resilience import Deadline, RetryPolicy
from modules.platform.rpc import Chooser, ModuleResting, ModuleUnreachable

# A fence stands for 10 to 100 ms: ask early, then less and less often.
FENCE = RetryPolicy(attempts=1, base=0.02, longest=0.25)
PATIENCE = 5.0  # seconds for a caller without a deadline, as at the front door


class WhileThere:
    """A chooser that knows nobody as soon as the authority is no longer the service's.

    A call that is told ``Moved`` would look for another instance until its deadline.
    """

    def __init__(self, chooser: Chooser, authorities: Authorities) -> None:
        self._chooser, self._authorities = chooser, authorities

    def choose(self, module: str, *, avoid: Collection[str] = ()) -> Instance:
        """Raises NoInstance."""
        if avoid and not self._authorities.of(module).is_services:
            raise NoInstance(module=module)
        return self._chooser.choose(module, avoid=avoid)

    def done(self, instance: Instance, *, failed: bool = False) -> None:
        self._chooser.done(instance, failed=failed)


class AuthorityRoute:
    """``here`` (which may divide the work) while the monolith has the authority, else ``there``.

    ``divided`` says of which modules the work is divided here: those calls are counted there.
    """

    def __init__(
        self,
        here: Callable[[Method], Callable[..., Any]],
        there: Route,
        authorities: Authorities,
        *,
        divided: Callable[[str], bool] = lambda module: False,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._here, self._there = here, there
        self._divided = divided
        self._authorities, self._sleep = authorities, sleep

    def caller(self, method: Method) -> Callable[..., Any]:
        module, known, divided = method.module, self._authorities, self._divided
        called = self._called(method)
        ours, services = _counted(module, "local", called), _counted(module, "service", called)

        def by_side(*args: Any, **kwargs: Any) -> Any:
            if known.of(module).is_services:
                return services(*args, **kwargs)
            if known.is_in_shadow(module) and not divided(module):
                return ours(*args, **kwargs)
            return called(*args, **kwargs)

        return by_side

    def _called(self, method: Method) -> Callable[..., Any]:
        module, of = method.module, self._authorities.of
        here, there = self._here(method), self._there.caller(method)

        def called(*args: Any, **kwargs: Any) -> Any:
            side = there if of(module).is_services else here
            try:
                return side(*args, **kwargs)
            except (Fenced, Moved) as error:
                if error.module != module:
                    raise
                self._heard(error, was_here=side is here)
            except (ModuleUnreachable, ModuleResting):
                if side is here or of(module).is_services:
                    raise
            return self._again(module, here, there, args, kwargs)

        return called

    def _again(
        self,
        module: str,
        here: Callable[..., Any],
        there: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """The same once more, and again while it is fenced, until the caller's time is up."""
        deadline, times = _deadline(), 0
        while True:
            times += 1
            wait = FENCE.delay(times)
            if wait >= deadline.remaining():
                side = there if self._authorities.of(module).is_services else here
                return side(*args, **kwargs)
            self._sleep(wait)
            side = there if self._authorities.of(module).is_services else here
            try:
                return side(*args, **kwargs)
            except (Fenced, Moved) as error:
                if error.module != module:
                    raise
                self._heard(error, was_here=side is here)
            except (ModuleUnreachable, ModuleResting):
                if side is here or self._authorities.of(module).is_services:
                    raise

    def _heard(self, error: Fenced | Moved, *, was_here: bool) -> None:
        """Who says that the module has moved knows since when, and so where to: the other side."""
        if isinstance(error, Moved):
            known = Authority(is_services=was_here, epoch=error.epoch)
            self._authorities.learn(error.module, known)


def _counted(module: str, side: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The same, as its caller has it: with all waiting, and once, however often it is sent."""
    asked, timed = CALLS.labels(module, side), measured(module, side, call)

    def called(*args: Any, **kwargs: Any) -> Any:
        asked.inc()
        return timed(*args, **kwargs)

    return called


def _deadline() -> Deadline:
    limit = current_context().deadline
    if limit is None:
        return Deadline.within(PATIENCE)
    return Deadline.within(max(0.0, (limit - datetime.now(UTC)).total_seconds()))
