"""The way of a call to a module that may have moved: to whoever has the authority, by epoch.

What this process knows decides first. If it is old, the answer says so: the monolith's database
refuses with ``Moved``, or the service does, and the same command with the same key goes to the
other side, within the caller's deadline. ``Fenced`` is waited for.
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
    """``here`` (which may divide the work) while the monolith has the authority, else ``there``."""

    def __init__(
        self,
        here: Callable[[Method], Callable[..., Any]],
        there: Route,
        authorities: Authorities,
        *,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._here, self._there = here, there
        self._authorities, self._sleep = authorities, sleep

    def caller(self, method: Method) -> Callable[..., Any]:
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


def _deadline() -> Deadline:
    limit = current_context().deadline
    if limit is None:
        return Deadline.within(PATIENCE)
    return Deadline.within(max(0.0, (limit - datetime.now(UTC)).total_seconds()))
