"""Instances that keep failing are left alone for a while: outlier ejection, as Envoy does it.

After ``after`` failures in a row for ``shortest`` seconds, twice as long each time it happens
again, up to ``longest``; a success makes an instance as good as new.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

FORGOTTEN = 600.0  # seconds after which an instance that nobody asks any more is forgotten
KEPT = 1_000  # instances remembered before the forgotten ones are looked for


@dataclass(slots=True)
class _Record:
    failures: int = 0  # in a row
    times: int = 0  # ejected since the last success
    until: float = 0.0
    seen_at: float = 0.0


class Ejections:
    """Who is left alone now. Not thread-safe: whoever owns it locks."""

    def __init__(
        self,
        *,
        after: int = 3,
        shortest: float = 1.0,
        longest: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._after = after
        self._shortest = shortest
        self._longest = longest
        self._clock = clock
        self._records: dict[str, _Record] = {}

    def succeeded(self, id: str) -> None:
        """It answers."""
        self._records.pop(id, None)

    def failed(self, id: str) -> bool:
        """It did not answer. True when it is left alone from now on because of this."""
        now = self._clock()
        record = self._records.setdefault(id, _Record())
        record.seen_at = now
        record.failures += 1
        # One failure is enough for those that were let back in for a trial.
        is_due = record.failures >= self._after or record.times > 0
        if not is_due or now < record.until:
            return False
        wait = min(self._longest, self._shortest * 2.0 ** min(record.times, 30))
        record.until, record.failures = now + wait, 0
        record.times += 1
        self._tidy(now)
        return True

    def is_ejected(self, id: str) -> bool:
        record = self._records.get(id)
        return record is not None and self._clock() < record.until

    def _tidy(self, now: float) -> None:
        if len(self._records) > KEPT:
            old = [id for id, one in self._records.items() if now - one.seen_at > FORGOTTEN]
            for id in old:
                del self._records[id]
