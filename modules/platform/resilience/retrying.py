"""Retries with full jitter, within a deadline and a budget.

Full jitter (a wait is uniform in 0 .. cap) spreads retries best: "Exponential Backoff And
Jitter", AWS Architecture Blog. The budget is gRPC's and Finagle's: retries may be a share of all
calls and no more, so that they cannot multiply an outage.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from modules.platform.resilience.deadline import Deadline

T = TypeVar("T")
Random = Callable[[], float]  # uniform in [0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """At most ``attempts`` in all; before the n-th retry wait up to ``base * factor**(n-1)``
    seconds, never more than ``longest``.
    """

    attempts: int = 3
    base: float = 0.05
    factor: float = 2.0
    longest: float = 5.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.base < 0 or self.factor < 1 or self.longest < 0:
            raise ValueError(
                "attempts must be at least 1, factor at least 1, base and longest not negative"
            )

    def ceiling(self, retry: int) -> float:
        """The longest wait before the ``retry``-th retry, counted from 1; in seconds."""
        if self.base == 0:
            return 0.0
        try:
            return min(self.longest, self.base * self.factor ** (retry - 1))
        except OverflowError:
            return self.longest

    def delay(self, retry: int, chance: Random = random.random) -> float:
        """The wait before the ``retry``-th retry: uniform between 0 and the ceiling."""
        return self.ceiling(retry) * chance()


class RetryBudget:
    """Lets retries be ``share`` of calls at most, and ``reserve`` more to begin with.

    A bucket of tokens that has ``reserve`` in it at first: a call puts in ``share``, a retry takes
    1. It holds ``reserve``, but never less than one retry: so with ``reserve=0`` there is none
    until calls have earned it, one for every ``1 / share`` of them. With ``share=0`` the reserve
    is all there ever is; with both 0 nothing is retried.
    """

    def __init__(self, *, share: float = 0.2, reserve: float = 10.0) -> None:
        if share < 0 or reserve < 0:
            raise ValueError("share and reserve must not be negative")
        self.share = share
        self.reserve = reserve
        self._tokens = reserve
        self._most = max(reserve, 1.0)
        self._lock = threading.Lock()

    def called(self, times: int = 1) -> None:
        """A first attempt is made, or so many were since this was said last."""
        with self._lock:
            self._tokens = min(self._most, self._tokens + times * self.share)

    def take(self) -> bool:
        """Whether a retry may be made; it counts as made."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class _Attempts:
    """Whether to go on after a failure, and after which wait."""

    def __init__(
        self,
        policy: RetryPolicy,
        is_retryable: Callable[[Exception], bool],
        deadline: Deadline | None,
        budget: RetryBudget | None,
        chance: Random,
    ) -> None:
        self.policy = policy
        self.is_retryable = is_retryable
        self.deadline = deadline
        self.budget = budget
        self.chance = chance
        self.made = 1
        if budget is not None:
            budget.called()

    def wait_after(self, error: Exception) -> float | None:
        """Seconds to wait before the next attempt; None when there must be none."""
        if self.made >= self.policy.attempts or not self.is_retryable(error):
            return None
        wait = self.policy.delay(self.made, self.chance)
        if self.deadline is not None and wait >= self.deadline.remaining():
            return None
        if self.budget is not None and not self.budget.take():
            return None
        self.made += 1
        return wait


def retry(
    call: Callable[[], T],
    *,
    policy: RetryPolicy,
    is_retryable: Callable[[Exception], bool],
    deadline: Deadline | None = None,
    budget: RetryBudget | None = None,
    sleep: Callable[[float], object] = time.sleep,
    chance: Random = random.random,
) -> T:
    """``call`` until it succeeds; only what is safe to repeat.

    Raises the last error when it is not retryable, or the attempts, the deadline or the budget
    do not allow another. A deadline never cuts an attempt short: give it to ``call`` too.
    """
    attempts = _Attempts(policy, is_retryable, deadline, budget, chance)
    while True:
        try:
            return call()
        except Exception as error:
            wait = attempts.wait_after(error)
            if wait is None:
                raise
        sleep(wait)


async def retry_async(
    call: Callable[[], Awaitable[T]],
    *,
    policy: RetryPolicy,
    is_retryable: Callable[[Exception], bool],
    deadline: Deadline | None = None,
    budget: RetryBudget | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    chance: Random = random.random,
) -> T:
    """``retry`` for asyncio. Being cancelled is never retried."""
    attempts = _Attempts(policy, is_retryable, deadline, budget, chance)
    while True:
        try:
            return await call()
        except Exception as error:
            wait = attempts.wait_after(error)
            if wait is None:
                raise
        await sleep(wait)
