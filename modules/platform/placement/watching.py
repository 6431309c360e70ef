"""What this process knows of the table: read on every call, kept current by a thread.

While the table cannot be read, what was known stays, however old: ``age()`` tells. Before the first
answer everything is here, which is never wrong: both sides work on the same data.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from modules.platform.discovery.forking import renew_after_fork
from modules.platform.placement.listening import TableSource
from modules.platform.placement.metrics import AGE, PERCENT, REVISION
from modules.platform.placement.placed import HERE, Placed, Placements

log = structlog.get_logger(__name__)

INTERVAL = 0.5  # seconds between two looks: a switch is everywhere in under a second


class Source(Protocol):
    """Where a table is read, by one thread."""

    def read(self) -> Placements:
        """The whole table."""
        ...

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``, or sooner when there may be news."""
        ...

    def close(self) -> None: ...

    def after_fork(self) -> None:
        """Let go of what belongs to the parent."""
        ...


class Watcher:
    """One per process and table. Readers need no lock: the table is replaced as a whole.

    Nothing runs before the first question, so that a process that never asks has no thread; in a
    forked child the first question starts a thread of its own.
    """

    def __init__(
        self,
        source: Source,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._interval = interval
        self._clock = clock
        self._known: Placements = {}
        self._since = clock()
        self._read_at: float | None = None
        self._is_failing = False
        self._begin()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._source.after_fork()
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._turned = threading.Event()
        self._thread: threading.Thread | None = None

    def of(self, module: str) -> Placed:
        """Where ``module`` is placed, as far as this process knows."""
        if self._thread is None:
            self.ensure()
        return self._known.get(module, HERE)

    def known(self) -> Placements:
        """The whole table as this process knows it."""
        if self._thread is None:
            self.ensure()
        return self._known

    def age(self) -> float | None:
        """Seconds since the table was last read; None before the first time."""
        return None if self._read_at is None else self._clock() - self._read_at

    def wait(self, seconds: float) -> bool:
        """Whether the table was asked for, well or not, within ``seconds``."""
        self.ensure()
        return self._turned.wait(seconds)

    def ensure(self) -> None:
        """Let the thread run, if it does not yet."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="placement", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop looking; what is known stays. Returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def turn(self) -> bool:
        """Read once; whether it went well."""
        try:
            found = self._source.read()
        except Exception as error:  # whatever it is, the thread must go on looking
            self._failed(error)
            return False
        if self._is_failing:
            log.info("placement.back")
        self._is_failing = False
        self._read_at = self._clock()
        if found != self._known:
            self._known = found
            self._tell(found)
        AGE.set(0)
        return True

    def _run(self) -> None:
        stop, turned, source = self._stop, self._turned, self._source
        while not stop.is_set():
            is_well = self.turn()
            turned.set()
            if is_well:
                try:
                    source.wait(self._interval)
                    continue
                except Exception as error:
                    self._failed(error)
            stop.wait(self._interval)
        source.close()

    def _failed(self, error: Exception) -> None:
        if not self._is_failing:
            log.warning("placement.away", error=str(error).strip() or repr(error))
        self._is_failing = True
        reached = self._since if self._read_at is None else self._read_at
        AGE.set(self._clock() - reached)
        self._source.close()

    def _tell(self, found: Placements) -> None:
        for module, placed in found.items():
            PERCENT.labels(module).set(placed.percent)
            REVISION.labels(module).set(placed.revision)


_watcher: Watcher | None = None
_making = threading.Lock()


def watcher() -> Watcher:
    """This process's, of its host's table, made when first asked for."""
    global _watcher
    if _watcher is None:
        with _making:
            if _watcher is None:
                _watcher = Watcher(TableSource())
    return _watcher


def of(module: str) -> Placed:
    """Where ``module``'s work is done, from this process's memory."""
    return (_watcher or watcher()).of(module)
