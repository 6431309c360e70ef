"""For how long the oldest change has waited, from snapshots that were taken at earlier scrapes.

The log has no times: a clock read in every captured row would cost each writer of the module. But a
snapshot says what was committed when it was taken. If a change waits that an earlier one saw, it
has waited since then at least. So the age is never too large, and too small by one scrape.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

MOST = 120  # snapshots of one log: half an hour of scrapes, then every second one goes


@dataclass(slots=True)
class _Seen:
    """Oldest first. ``of`` is the log that the snapshots are of."""

    of: Hashable
    taken: list[tuple[float, str]] = field(default_factory=list)


class Ages:
    """Of several modules. Safe for threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._seen: dict[str, _Seen] = {}

    def earlier(self, module: str, log: Hashable) -> list[str]:
        """The snapshots that were taken of this log and not carried yet, oldest first."""
        with self._lock:
            seen = self._seen.get(module)
            if seen is None or seen.of != log:
                seen = self._seen[module] = _Seen(log)
            return [snapshot for _, snapshot in seen.taken]

    def note(self, module: str, *, asked: int, carried: int, snapshot: str) -> float:
        """Of the ``asked`` earlier ones the first ``carried`` are carried; ``snapshot`` is of now.

        Seconds since the first that is not.
        """
        now = self._clock()
        with self._lock:
            taken = self._seen[module].taken
            waits_since = taken[carried][0] if carried < asked else now
            del taken[:carried]
            taken.append((now, snapshot))
            if len(taken) > MOST:
                del taken[1::2]
        return now - waits_since
