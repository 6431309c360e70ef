"""What of authentication and shared limits lives longer than one table: keys, connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from strangler_proxy import config
from strangler_proxy.decision import Identify, Request
from strangler_proxy.limits.local import Limiter
from strangler_proxy.metrics import Event, Metrics

if TYPE_CHECKING:
    from strangler_proxy.auth.keys import KeySource
    from strangler_proxy.limits.in_redis import SharedLimiter

REPLACED_AFTER = 5.0  # seconds in which requests of the table before may still use what it had


def nobody(request: Request, now: float) -> None:
    """Where no authentication is configured."""


def close_later(close: Callable[[], Awaitable[None]]) -> None:
    """Close what a table before this one used, when no request of it is under way."""

    async def work() -> None:
        await asyncio.sleep(REPLACED_AFTER)
        with suppress(OSError):
            await close()

    task = asyncio.get_running_loop().create_task(work())
    _closing.add(task)
    task.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()


class Credentials:
    """The authenticator in force, and the task that reads its keys."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._settings: config.Authentication | None = None
        self._keys: KeySource | None = None
        self._task: asyncio.Task[None] | None = None
        self._identify: Identify = nobody

    def configure(
        self, settings: config.Authentication | None
    ) -> tuple[KeySource | None, Identify]:
        """Keys and authenticator for these settings. Raises TableRefused for a source that is
        none; then nothing has changed."""
        if settings == self._settings:
            return self._keys, self._identify
        before = self._settings
        if settings is None:
            self._stop()
            self._keys, self._identify = None, nobody
        else:
            # Here, because PyJWT and cryptography are 10 MB: for who uses them.
            from strangler_proxy.auth.authenticator import Authenticator
            from strangler_proxy.auth.keys import KeySource

            if before is None or before.keys != settings.keys or self._keys is None:
                keys = KeySource(
                    settings.keys,
                    on_failed=lambda: self._metrics.count(Event.KEYS_REFRESH_FAILED),
                )
                self._stop()
                if self._keys is not None:
                    close_later(self._keys.close)
                self._keys = keys
                self._task = asyncio.get_running_loop().create_task(keys.run())
            self._identify = Authenticator(settings, self._keys).identify
        self._settings = settings
        return self._keys, self._identify

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def close(self) -> None:
        """Read no more keys."""
        self._stop()
        if self._keys is not None:
            await self._keys.close()


async def offline_identify(settings: config.Authentication | None) -> Identify:
    """To look at a table without serving: the keys are read once. Raises TableRefused."""
    if settings is None:
        return nobody
    from strangler_proxy.auth.authenticator import Authenticator
    from strangler_proxy.auth.keys import KeySource

    keys = KeySource(settings.keys)
    await keys.read()
    await keys.close()
    return Authenticator(settings, keys).identify


class SharedLimits:
    """The connection to the Redis that counts for all proxies, if there is one."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._settings: config.SharedLimits | None = None
        self._limiter: SharedLimiter | None = None

    def prepare(self, settings: config.SharedLimits | None, local: Limiter) -> SharedLimiter | None:
        """The limiter for these settings. Changes nothing yet; raises TableRefused for an URL
        that is none."""
        if settings == self._settings:
            return self._limiter
        if settings is None:
            return None
        from strangler_proxy.limits.in_redis import SharedLimiter  # redis: for who uses it

        count = self._metrics.count
        return SharedLimiter(local, settings, on_failed=lambda: count(Event.SHARED_LIMITS_FAILED))

    def configure(self, settings: config.SharedLimits | None, made: SharedLimiter | None) -> None:
        """From now on ``made``, which ``prepare`` gave for these settings, is in force."""
        if self._limiter is not None and self._limiter is not made:
            close_later(self._limiter.close)
        self._settings, self._limiter = settings, made

    async def close(self) -> None:
        """Close the connections."""
        if self._limiter is not None:
            await self._limiter.close()
