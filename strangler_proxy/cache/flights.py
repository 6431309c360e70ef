"""Requests for the same answer: one fetches, the others wait for it (request collapsing).

Pure state. A flight is one fetch; when it has landed, those that waited plan again, and find the
answer, or another variant's absence, or that such answers are not stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from itertools import count

NOT_STORED_SECONDS = 10.0  # so long nobody waits for what was not stored the last time
REMEMBERED = 10_000
MAX_WAITERS = 1_000  # of one flight; more go themselves

Wake = Callable[[], None]


class _Flight:
    __slots__ = ("ticket", "until", "waiting")

    def __init__(self, ticket: int, until: float) -> None:
        self.ticket = ticket
        self.until = until
        self.waiting: dict[int, Wake] = {}


class Flights:
    """All fetches under way, by what they fetch."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight] = {}
        self._tickets = count(1)
        self._not_stored: OrderedDict[Hashable, float] = OrderedDict()

    def join(self, what: Hashable, wake: Wake, now: float, seconds: float) -> tuple[bool, int]:
        """(True, ticket): fetch it, and ``land`` with the ticket. (False, ticket): wait for
        ``wake``, which comes at most once. Ticket 0: fetch it, on your own account."""
        flight = self._flights.get(what)
        if flight is None:
            if self._not_stored.get(what, 0.0) > now:
                return True, 0
            ticket = next(self._tickets)
            self._flights[what] = _Flight(ticket, now + seconds)
            return True, ticket
        if now >= flight.until or len(flight.waiting) >= MAX_WAITERS:
            return True, 0
        ticket = next(self._tickets)
        flight.waiting[ticket] = wake
        return False, ticket

    def leave(self, what: Hashable, ticket: int) -> None:
        """Wait no longer."""
        flight = self._flights.get(what)
        if flight is not None:
            flight.waiting.pop(ticket, None)

    def land(self, what: Hashable, ticket: int, now: float, *, storable: bool) -> None:
        """The fetch is over. Not ``storable``: nobody shall wait for the next one."""
        flight = self._flights.get(what)
        if flight is None or flight.ticket != ticket:
            return
        del self._flights[what]
        if not storable:
            self._not_stored[what] = now + NOT_STORED_SECONDS
            self._not_stored.move_to_end(what)
            if len(self._not_stored) > REMEMBERED:
                self._not_stored.popitem(last=False)
        for wake in list(flight.waiting.values()):
            wake()

    @property
    def waiting(self) -> int:
        return sum(len(flight.waiting) for flight in self._flights.values())
