"""Which instance to ask: the less loaded of two drawn at random.

"The Power of Two Choices in Randomized Load Balancing", Mitzenmacher, 2001. Load is what this
process has under way, for the instance's capacity; both are drawn by capacity.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

import structlog

from modules.platform.discovery.ejecting import Ejections
from modules.platform.discovery.errors import NoInstance
from modules.platform.discovery.forking import renew_after_fork
from modules.platform.discovery.instances import Instance, Source
from modules.platform.discovery.metrics import EJECTED

log = structlog.get_logger(__name__)

Failures = tuple[type[BaseException], ...]


class LeastLoaded:
    """Chooses among what ``source`` knows. Thread-safe; a forked child has nothing under way."""

    def __init__(
        self,
        source: Source,
        *,
        failures: Failures = (OSError,),
        ejections: Ejections | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """``failures``: what, raised inside ``chosen``, counts against the instance."""
        self._source = source
        self._failures = failures
        self._ejections = ejections or Ejections()
        self._rng = rng or random.Random()  # noqa: S311 - balancing is no secret
        self._in_flight: dict[str, int] = {}
        self._lock = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = {}
        self._rng.seed()  # children must not draw the same

    @contextmanager
    def chosen(self, module: str, *, avoid: Collection[str] = ()) -> Iterator[Instance]:
        """``choose`` and ``done`` around one call. Raises NoInstance."""
        one = self.choose(module, avoid=avoid)
        failed = False
        try:
            yield one
        except self._failures:
            failed = True
            raise
        finally:
            self.done(one, failed=failed)

    def choose(self, module: str, *, avoid: Collection[str] = ()) -> Instance:
        """An instance of ``module``.

        One of ``avoid`` (ids), or one that is left alone, only when there is no other. Counts as
        under way until ``done``. Raises NoInstance.
        """
        known = self._source.instances(module)
        if not known:
            raise NoInstance(module=module)
        with self._lock:
            one = self._lighter(self._preferred(known, avoid))
            self._in_flight[one.id] = self._in_flight.get(one.id, 0) + 1
        return one

    def done(self, one: Instance, *, failed: bool = False) -> None:
        """The call is over; ``failed``: the instance gave no answer, or none of any use."""
        with self._lock:
            left = self._in_flight.get(one.id, 0) - 1
            if left > 0:
                self._in_flight[one.id] = left
            else:
                self._in_flight.pop(one.id, None)
            ejected = self._ejections.failed(one.id) if failed else False
            if not failed:
                self._ejections.succeeded(one.id)
        if ejected:
            EJECTED.labels(one.module).inc()
            log.warning("discovery.ejected", module=one.module, instance=one.id, url=one.url)

    def in_flight(self, id: str) -> int:
        """The calls of this process that the instance works on."""
        return self._in_flight.get(id, 0)

    def _preferred(self, fit: Sequence[Instance], avoid: Collection[str]) -> Sequence[Instance]:
        healthy = [one for one in fit if not self._ejections.is_ejected(one.id)]
        return [one for one in healthy if one.id not in avoid] or healthy or fit

    def _lighter(self, fit: Sequence[Instance]) -> Instance:
        first = self._drawn(fit)
        others = [one for one in fit if one.id != first.id]
        if not others:
            return first
        second = self._drawn(others)
        return first if self._load(first) <= self._load(second) else second

    def _drawn(self, fit: Sequence[Instance]) -> Instance:
        return self._rng.choices(fit, weights=[one.capacity for one in fit])[0]

    def _load(self, one: Instance) -> float:
        return self._in_flight.get(one.id, 0) / one.capacity
