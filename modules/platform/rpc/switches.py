"""Calls that an operator has turned off, for every process of a host, from one second to the next.

They stand in a hash of the host's Redis: name (``payment.refund``, ``payment.*``, ``*``) to reason.
Each process looks there every ``LOOK_AGAIN`` seconds when it makes calls; while Redis is away what
it saw last goes on to hold.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import redis
import structlog

from modules.platform.discovery.forking import renew_after_fork
from modules.platform.resilience import KillSwitch

log = structlog.get_logger(__name__)

KEY = "ficus:rpc:off"
LOOK_AGAIN = 2.0  # seconds
LEFT_ALONE = 15.0  # seconds for which Redis is not asked after it failed
PATIENCE = 0.25  # seconds for Redis: a caller waits meanwhile


class SharedSwitches:
    """The host's switches and those of its settings. Safe between threads."""

    def __init__(
        self,
        url: str,
        fixed: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``fixed`` are the settings', which nobody can turn on here. An empty url: only these."""
        self._redis = (
            redis.Redis.from_url(
                url,
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
                decode_responses=True,
            )
            if url
            else None
        )
        self._fixed = dict(fixed or {})
        self._switch = KillSwitch(self._fixed)
        self._clock = clock
        self._look_at = float("-inf")
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def check(self, name: str) -> None:
        """Raises SwitchedOff when ``name``, its family or everything is off."""
        # One looks, the others go on with what was seen last.
        if self._clock() >= self._look_at and self._lock.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._lock.release()
        self._switch.check(name)

    def turn_off(self, name: str, *, reason: str) -> None:
        """For every process. Raises ValueError without a reason, redis.RedisError."""
        if not reason.strip():
            raise ValueError(f"switching {name} off needs a reason")
        self._shared().hset(KEY, name, reason)
        self._look_at = float("-inf")

    def turn_on(self, name: str) -> None:
        """For every process; not being off is no error. Raises redis.RedisError."""
        self._shared().hdel(KEY, name)
        self._look_at = float("-inf")

    def off(self) -> dict[str, str]:
        """What is off now, and why. Raises redis.RedisError."""
        if self._redis is not None:
            self._switch.replace(self._read(self._redis))
        return self._switch.off()

    def close(self) -> None:
        if self._redis is not None:
            self._redis.close()

    def _look(self) -> None:
        self._look_at = self._clock() + LOOK_AGAIN
        if self._redis is None:
            return
        try:
            self._switch.replace(self._read(self._redis))
        except redis.RedisError as error:
            self._look_at = self._clock() + LEFT_ALONE
            log.warning("rpc.switches_away", error=str(error))

    def _read(self, client: redis.Redis) -> dict[str, str]:
        shared: dict[str, str] = client.hgetall(KEY)  # type: ignore[assignment]
        return {**shared, **self._fixed}

    def _shared(self) -> redis.Redis:
        if self._redis is None:
            raise redis.ConnectionError("this host has no Redis to keep switches in")
        return self._redis
