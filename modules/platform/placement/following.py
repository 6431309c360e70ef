"""Makes the front doors follow the table: at once when it changes, and when one was away.

And watches whether the services' workers still take what they are given (``attending``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.db import close_old_connections

from modules.platform.placement.attending import Attendance
from modules.platform.placement.doors import Door, Standing
from modules.platform.placement.listening import TableSource
from modules.platform.placement.placed import HERE, Placements
from modules.platform.placement.watching import Source

log = structlog.get_logger(__name__)

LOOK = 5.0  # seconds between two looks at doors that are as they should be
AGAIN = 1.0  # seconds until one that is not is told again


class Follower:
    """Several may run: what they tell a front door is the same.

    It speaks of modules that have a row only; a capability that nobody ever placed is left as it
    is. It reads the table by itself, and tells nobody what it has not just read.
    """

    def __init__(
        self,
        doors: Callable[[], Sequence[Door]],
        source: Source | None = None,
        attendance: Attendance | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._doors = doors
        self._source = source or TableSource()
        self._attendance = attendance
        self._clock = clock
        self._told: Placements = {}
        self._look_at = 0.0
        self._troubles: dict[tuple[str, str], str] = {}

    def run(self, stop: threading.Event, *, interval: float = 0.2) -> None:
        """Follow until ``stop`` is set."""
        is_away = False
        while not stop.is_set():
            try:
                self.turn()
                if self._attendance is not None:
                    self._attendance.turn(self._told)
                self._source.wait(interval)
            except Exception as error:  # the database may be away, and comes back
                if not is_away:
                    log.warning("placement.follower_waits", error=str(error).strip())
                self._source.close()
                close_old_connections()  # what wrote down who is silent may be broken, too
                is_away = True
                stop.wait(AGAIN)
            else:
                is_away = False
        self._source.close()
        if self._attendance is not None:
            self._attendance.close()

    def turn(self) -> tuple[Standing, ...]:
        """Read the table and tell the doors, if it is time to; what they say. Raises psycopg's."""
        known, now = self._source.read(), self._clock()
        if known == self._told and now < self._look_at:
            return ()
        found = tuple(
            self._follow(door, module) for module in sorted(known) for door in self._doors()
        )
        self._told = known
        self._look_at = now + (LOOK if all(one.follows for one in found) else AGAIN)
        return found

    def _follow(self, door: Door, module: str) -> Standing:
        standing = door.follow(module, lambda: self._source.read().get(module, HERE))
        place = (door.url, module)
        if standing.trouble and self._troubles.get(place) != standing.trouble:
            log.warning("placement.door_away", module=module, trouble=standing.trouble)
        self._troubles[place] = standing.trouble
        return standing
