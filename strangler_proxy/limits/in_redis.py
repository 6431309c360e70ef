"""Rate limits of all proxies together, counted in Redis; while it is away, local ones stand in.

The script runs alone, by Redis's own clock: so proxies cannot let through more together than one
could. A request costs one round trip however many limits it has, and requests that come while
others are on their way travel together: under load that is a fifth of the work. Standing in, each
proxy lets through what the limit says.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from modules.platform.resilience import BreakerPolicy, BreakerState, CircuitBreaker
from strangler_proxy.config import SharedLimits
from strangler_proxy.errors import Finding, TableRefused
from strangler_proxy.limits.local import FREE, Limiter, Verdict
from strangler_proxy.limits.script import SCRIPT, Question, keys_and_arguments, verdicts

log = logging.getLogger(__name__)

FLIGHTS = 4  # calls under way at once, each on a connection of its own
BATCH = 128  # requests of one call: Redis is busy with it for less than a millisecond
# After a few failures nobody waits for Redis; one call in each second asks whether it is back.
PATIENCE = BreakerPolicy(window=5.0, minimum=3, ratio=0.5, rest=1.0, probes=1)
Waiting = tuple[Question, "asyncio.Future[Verdict | None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """Where shared limits stand, for metrics and the admin listener."""

    shared: bool  # False: local limits stand in
    counted: int  # requests that Redis judged
    stood_in: int  # requests that a local limit judged instead
    error: str  # the last one; empty if there was none


class SharedLimiter:
    """As ``Limiter``, for all proxies that use the same Redis.

    Raises TableRefused for an URL that is none.
    """

    def __init__(
        self,
        local: Limiter,
        settings: SharedLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._local = local
        self._timeout = settings.timeout_seconds
        self._breaker = CircuitBreaker("shared-limits", PATIENCE, clock=clock)
        self._redis = _client(settings)
        self._script = self._redis.register_script(SCRIPT)
        self._waiting: list[Waiting] = []
        self._flights: set[asyncio.Task[None]] = set()
        self._counted = self._stood_in = 0
        self._error = ""
        self._on_failed = on_failed
        self._away = False

    @property
    def state(self) -> SharedState:
        return SharedState(
            shared=self._breaker.state is BreakerState.CLOSED,
            counted=self._counted,
            stood_in=self._stood_in,
            error=self._error,
        )

    async def close(self) -> None:
        """End what is under way and close the connections."""
        flights = list(self._flights)
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        self._stand_in_for_all()
        await self._redis.aclose()

    async def take(
        self, names: tuple[str, ...], subject: str | None, address: str, now: float
    ) -> Verdict:
        """As ``Limiter.take``; ``now`` is for the local limits, if they must stand in.

        Waits for ``timeout_seconds`` at most.
        """
        bundle = self._local.bundle(names)
        if not bundle.limits:
            return FREE
        if self._breaker.admits:
            verdict = await self._ask(Question.about(bundle, subject, address))
            if verdict is not None:
                self._counted += 1
                return verdict
        self._stood_in += 1
        return self._local.take(names, subject, address, now)

    def _ask(self, question: Question) -> asyncio.Future[Verdict | None]:
        """Redis's verdict, or None when there is none in time."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if len(self._flights) < FLIGHTS:
            self._flights.add(asyncio.create_task(self._fly()))
        return future

    async def _fly(self) -> None:
        """Call after call, until nobody waits."""
        try:
            while self._waiting:
                await self._carry()
        finally:
            # At once, not when the task's callbacks run, a turn of the loop later: who asks in
            # between would wait for a flight that has ended.
            self._flights.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _carry(self) -> None:
        """One call, for those who wait."""
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        found: Sequence[Verdict | None] = [None] * len(batch)
        try:
            found = await self._call([question for question, _ in batch]) or found
        finally:
            _tell(batch, found)
            if found[0] is None:
                # Who waits behind it has waited as long; nobody waits longer than the timeout.
                self._stand_in_for_all()

    def _stand_in_for_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        _tell(waiting, [None] * len(waiting))

    async def _call(self, questions: Sequence[Question]) -> list[Verdict] | None:
        if not self._breaker.admits:
            return None
        ticket = self._breaker.enter()
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._script(*keys_and_arguments(questions))
        except (RedisError, OSError, TimeoutError) as error:
            self._breaker.leave(ticket, failed=True)
            self._failed(error)
            return None
        except BaseException:
            self._breaker.forget(ticket)  # cancelled: it says nothing about Redis
            raise
        self._breaker.leave(ticket, failed=False)
        if self._away and self._breaker.state is BreakerState.CLOSED:
            self._away = False
            log.info("limits are shared again; %d requests had local ones", self._stood_in)
        return verdicts(questions, answer)

    def _failed(self, error: Exception) -> None:
        self._error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self._on_failed()
        if not self._away and self._breaker.state is not BreakerState.CLOSED:
            self._away = True
            log.warning("local limits stand in for shared ones: %s", self._error)


def _tell(batch: Sequence[Waiting], found: Sequence[Verdict | None]) -> None:
    for (_, future), verdict in zip(batch, found, strict=True):
        if not future.done():  # its client may have gone away
            future.set_result(verdict)


def _client(settings: SharedLimits) -> Redis:
    try:
        pool = BlockingConnectionPool.from_url(
            settings.redis,
            max_connections=FLIGHTS,
            timeout=settings.timeout_seconds,
            socket_timeout=settings.timeout_seconds,
            socket_connect_timeout=settings.timeout_seconds,
            retry=Retry(NoBackoff(), 0),  # the next request is the retry
            protocol=2,
            driver_info=None,  # two round trips less for each connection
        )
    except ValueError as error:
        finding = Finding(path="$.shared_limits.redis", reason=str(error))
        raise TableRefused([finding]) from error
    return Redis.from_pool(pool)
