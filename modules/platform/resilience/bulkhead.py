"""Bounded concurrency with a bounded queue: one slow peer must not take every worker."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from modules.platform.resilience.errors import BulkheadFull


def _validated(limit: int, queue: int) -> None:
    if limit < 1 or queue < 0:
        raise ValueError("limit must be at least 1 and queue at least 0")


class Bulkhead:
    """At most ``limit`` calls under way, at most ``queue`` waiting ``patience`` seconds; threads.

    Those who wait are let in in the order in which they came.
    """

    def __init__(
        self,
        name: str,
        *,
        limit: int,
        queue: int = 0,
        patience: float = 1.0,
    ) -> None:
        _validated(limit, queue)
        self.name = name
        self.limit = limit
        self.queue = queue
        self.patience = patience
        self._lock = threading.Lock()
        self._inside = 0
        self._waiting: deque[threading.Event] = deque()

    @property
    def inside(self) -> int:
        """Calls under way."""
        return self._inside

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._waiting)

    @contextmanager
    def enter(self, *, timeout: float | None = None) -> Iterator[None]:
        """Hold a place inside. ``timeout`` seconds shorten the patience. Raises BulkheadFull."""
        self._take(self.patience if timeout is None else min(timeout, self.patience))
        try:
            yield
        finally:
            self._give_back()

    def _take(self, patience: float) -> None:
        with self._lock:
            if self._inside < self.limit:
                self._inside += 1
                return
            if len(self._waiting) >= self.queue:
                raise BulkheadFull(self.name, self.limit)
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(max(0.0, patience)):
            return
        with self._lock:
            if turn.is_set():
                return  # it came between the end of our patience and this lock
            self._waiting.remove(turn)
        raise BulkheadFull(self.name, self.limit)

    def _give_back(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()  # the place changes hands: nobody slips in between
            else:
                self._inside -= 1


class AsyncBulkhead:
    """The same for one asyncio loop."""

    def __init__(self, name: str, *, limit: int, queue: int = 0, patience: float = 1.0) -> None:
        _validated(limit, queue)
        self.name = name
        self.limit = limit
        self.queue = queue
        self.patience = patience
        self.inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._waiting)

    @asynccontextmanager
    async def enter(self, *, timeout: float | None = None) -> AsyncIterator[None]:
        """Hold a place inside. Raises BulkheadFull."""
        await self._take(self.patience if timeout is None else min(timeout, self.patience))
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, patience: float) -> None:
        if self.inside < self.limit:
            self.inside += 1
            return
        if len(self._waiting) >= self.queue:
            raise BulkheadFull(self.name, self.limit)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        # wait() and not wait_for(): it never cancels the turn, so a turn that was given just as
        # the time ran out is seen and not lost.
        try:
            await asyncio.wait((turn,), timeout=max(0.0, patience))
        except asyncio.CancelledError:
            if turn.done():
                self._give_back()
            else:
                self._waiting.remove(turn)
            raise
        if not turn.done():
            self._waiting.remove(turn)
            raise BulkheadFull(self.name, self.limit)

    def _give_back(self) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self.inside -= 1
