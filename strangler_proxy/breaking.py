"""The circuit breaker of an instance, which is told of calls that went well in one go.

Nearly all of them do, and telling each by itself cost a twentieth of a request. Apart from
``balance``, which may be compiled: this builds upon a class that is not.
"""

from __future__ import annotations

import math
from typing import Final

from modules.platform.resilience import CircuitBreaker

SLOTS: Final = 10  # of its window, as ``CircuitBreaker`` has them


class MemberBreaker(CircuitBreaker):
    """While it is closed, ``went_well`` may stand for as many ``leave(ticket, failed=False)``.

    ``moment`` is a reading of its clock, in slots of its window.
    """

    @property
    def is_probed(self) -> bool:
        """Whether probes are under way. Takes no lock."""
        return self.opened_at is not None and self._probing > 0

    def went_well(self, calls: int, moment: float) -> None:
        """So many calls of the round in force were good, all of them in this moment's slot, which
        is not before one that it was told of."""
        slot = math.floor(moment)
        with self._lock:
            if slot >= self._bucket_ends:
                self._turn(slot)
            self._bucket[0] += calls
