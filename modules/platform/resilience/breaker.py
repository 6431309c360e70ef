"""A circuit breaker over a sliding window: stop asking what keeps failing, then ask carefully.

CLOSED     calls pass; when enough of the last ``window`` seconds' calls failed it opens
OPEN       calls are refused for ``rest`` seconds
HALF_OPEN  ``probes`` calls may pass; if all succeed it closes, if one fails it opens again

After Nygard, "Release It!", and resilience4j's time-based window.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from modules.platform.resilience.deadline import Clock
from modules.platform.resilience.errors import CircuitOpen

BUCKETS = 10  # of the window: counts are forgotten a tenth of it at a time


class BreakerState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """``ratio`` of failures among at least ``minimum`` calls of ``window`` seconds opens it."""

    window: float = 10.0
    minimum: int = 20
    ratio: float = 0.5
    rest: float = 5.0
    probes: int = 3

    def __post_init__(self) -> None:
        if self.window <= 0 or self.rest <= 0 or self.minimum < 1 or self.probes < 1:
            raise ValueError("window and rest must be above 0, minimum and probes at least 1")
        if not 0 < self.ratio <= 1:
            raise ValueError("ratio must be above 0 and at most 1")


class CircuitBreaker:
    """One per peer. Safe between threads, and in asyncio.

    ``with breaker.call(): ...`` counts an exception for which ``is_failure`` is true as a
    failure. An error that the peer means (not found, declined) is a success of the connection:
    say so with ``is_failure``.

    Callbacks, which cannot hold a ``with`` open, take a ticket: ``ticket = breaker.enter()``,
    and later, once, ``leave(ticket, failed=...)``, or ``forget(ticket)`` when the call ended
    without saying anything about the peer. A ticket that is never given back costs nothing but,
    while half open, the place of one probe for ``rest`` seconds.
    """

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy | None = None,
        *,
        clock: Clock = time.monotonic,
        is_failure: Callable[[BaseException], bool] = lambda error: isinstance(error, Exception),
    ) -> None:
        self.name = name
        self.policy = policy or BreakerPolicy()
        self._clock = clock
        self._is_failure = is_failure
        self._lock = threading.Lock()
        self._buckets: dict[int, list[int]] = {}  # number of the bucket: [calls, failures]
        self._bucket = [0, 0]  # the one being filled
        self._bucket_ends = -math.inf  # the number at which the next one begins
        self.opened_at: float | None = None  # by its clock; None while closed
        self._probing = 0  # probes under way
        self._passed = 0  # probes that succeeded
        self._probed_at = 0.0  # when the last probe began
        self._round = 0  # grows with each opening: results of older calls do not count

    @property
    def state(self) -> BreakerState:
        """Where it stands now."""
        with self._lock:
            return self._state()

    @property
    def admits(self) -> bool:
        """Whether ``enter`` would let a call in now. Changes nothing and takes no lock."""
        return self.opened_at is None or self._refused_for() is None

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be made; 0.0 when one may be made now."""
        return self._refused_for() or 0.0

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make one call inside. Raises CircuitOpen instead when it must not be made."""
        ticket = self.enter()
        try:
            yield
        except BaseException as error:
            if self._is_failure(error):
                self.leave(ticket, failed=True)
            elif isinstance(error, Exception):
                self.leave(ticket, failed=False)
            else:
                self.forget(ticket)  # cancelled: it says nothing about the peer
            raise
        self.leave(ticket, failed=False)

    def enter(self) -> int:
        """A ticket for one call. Raises CircuitOpen when it must not be made."""
        # No lock while closed. The round is read first, and is changed after ``opened_at`` when
        # it opens and before it when it closes: so who is let in here while it turns holds a
        # ticket of the old round, which counts for nothing.
        ticket = self._round
        if self.opened_at is None:
            return ticket
        with self._lock:
            if self.opened_at is not None:
                wait = self._refused_for()
                if wait is not None:
                    raise CircuitOpen(self.name, wait)
                self._admit_probe()
            return self._round

    def leave(self, ticket: int, *, failed: bool) -> None:
        """The call is over; ``failed`` says that the peer is to blame."""
        with self._lock:
            if ticket != self._round:
                return
            if self.opened_at is None:
                at = self._clock() / self.policy.window * BUCKETS
                if at >= self._bucket_ends:
                    self._turn(math.floor(at))
                self._bucket[0] += 1
                if failed:
                    self._count_failure()
            else:
                self._judge_probe(failed)

    def forget(self, ticket: int) -> None:
        """The call is over and said nothing about the peer: cancelled, or never sent."""
        with self._lock:
            if ticket == self._round and self.opened_at is not None:
                self._probing -= 1

    def adopt(self, policy: BreakerPolicy) -> None:
        """Go on by another policy, from the same state; calls counted so far are forgotten."""
        with self._lock:
            self.policy = policy
            self._forget_counts()

    def _state(self) -> BreakerState:
        opened_at = self.opened_at
        if opened_at is None:
            return BreakerState.CLOSED
        if self._clock() - opened_at < self.policy.rest:
            return BreakerState.OPEN
        return BreakerState.HALF_OPEN

    def _refused_for(self) -> float | None:
        """Seconds until a probe may be made; None when one may be made now."""
        opened_at, now, rest = self.opened_at, self._clock(), self.policy.rest
        if opened_at is None:  # closed meanwhile, by another thread
            return None
        if now - opened_at < rest:
            return max(0.0, opened_at + rest - now)
        if self._probing + self._passed >= self.policy.probes and now - self._probed_at < rest:
            return rest - (now - self._probed_at)
        return None

    def _admit_probe(self) -> None:
        if self._probing + self._passed >= self.policy.probes:
            # The probes hang. Others may try, or it would stay half open for ever.
            self._round += 1
            self._probing = self._passed = 0
        self._probing += 1
        self._probed_at = self._clock()

    def _judge_probe(self, failed: bool) -> None:
        self._probing -= 1
        if failed:
            self._open()
            return
        self._passed += 1
        if self._passed >= self.policy.probes:
            self._forget_counts()
            self._round += 1
            self.opened_at = None

    def _count_failure(self) -> None:
        self._bucket[1] += 1
        if self._fails_too_often():
            self._open()

    def _turn(self, number: int) -> None:
        """Begin bucket ``number`` and drop those that have left the window."""
        kept = {at: one for at, one in self._buckets.items() if at > number - BUCKETS}
        self._bucket = kept[number] = [0, 0]
        self._bucket_ends = number + 1
        self._buckets = kept

    def _fails_too_often(self) -> bool:
        calls = sum(one[0] for one in self._buckets.values())
        failures = sum(one[1] for one in self._buckets.values())
        return calls >= self.policy.minimum and failures >= calls * self.policy.ratio

    def _forget_counts(self) -> None:
        self._buckets = {}
        self._bucket_ends = -math.inf

    def _open(self) -> None:
        self.opened_at = self._clock()
        self._round += 1
        self._probing = self._passed = 0
