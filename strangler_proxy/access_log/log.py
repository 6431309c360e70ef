"""One JSON line for each request, formatted and written a few milliseconds after it.

``log_line`` says what a line holds, ``log_sink`` where it goes. The data path only appends a
tuple to a list. When nobody reads, lines wait up to a bound and are then dropped and counted;
once the log flows again it says how many are missing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from strangler_proxy import config
from strangler_proxy.access_log.line import Formatter, Record
from strangler_proxy.access_log.sink import Sink

BACKLOG = 4 << 20  # bytes of lines that may wait: a quarter of a second of heavy traffic
log = logging.getLogger(__name__)


class AccessLog:
    """The access log of one process. ``add`` is for the data path; the rest happens later."""

    __slots__ = (
        *("_clock", "_dropped", "_failing", "_formatter", "_lost"),
        *("_pause", "_records", "_sink", "_timer"),
    )

    def __init__(
        self,
        sink: Sink,
        *,
        pause: float = 0.005,
        dropped: Callable[[int], None] = lambda lines: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Write to ``sink`` every ``pause`` seconds; tell ``dropped`` how many lines were lost."""
        self._sink = sink
        self._pause = pause
        self._dropped = dropped
        self._clock = clock
        self._formatter = Formatter()
        self._records: list[Record] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lost = 0  # lines dropped since the log last said so
        self._failing = False  # the last write was refused

    @classmethod
    def open(cls, settings: config.AccessLog, dropped: Callable[[int], None]) -> AccessLog | None:
        """The log that the document asks for, if any. Raises OSError if it cannot be opened."""
        if settings.path is None:
            return None
        return cls(Sink(settings.path), pause=settings.flush_milliseconds / 1000, dropped=dropped)

    def add(self, record: Record) -> None:
        """Take note of one request. Inside the event loop only."""
        self._records.append(record)
        if self._timer is None:
            self._arm()

    def flush(self) -> None:
        """Format what was added and pass on what the reader takes. Never blocks, never raises."""
        records, self._records = self._records, []
        # After a failure the notice goes first: it tells whether anyone reads again.
        overfull = self._sink.waiting > BACKLOG
        if overfull or not self._say_lost():
            self._lose(len(records))
            records = []
        self._lose(self._write(self._formatter.lines(records)))

    def reopen(self) -> None:
        """Go on in a new file under the same path (after logrotate); in the old if that fails."""
        self.flush()
        try:
            self._sink.reopen()
        except OSError as error:
            log.warning("the access log cannot be opened again, the old file is used: %s", error)

    async def finish(self, patience: float = 1.0) -> None:
        """Write what waits, giving a slow reader ``patience`` seconds. Before ``close``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        self.flush()
        while self._sink.waiting and loop.time() < until:
            await asyncio.sleep(self._pause)
            self.flush()

    def close(self) -> None:
        """Write what the reader takes at once, and close."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        self._lose(self._sink.forget())
        self._sink.close()

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._pause, self._due)

    def _due(self) -> None:
        self._timer = None
        self.flush()
        if self._sink.waiting or (self._lost and not self._failing):
            self._arm()

    def _lose(self, lines: int) -> None:
        if lines:
            self._lost += lines
            self._dropped(lines)

    def _say_lost(self) -> bool:
        """Write how many lines are missing, if any are. False if that was refused."""
        if not self._lost or self._sink.waiting:
            return True
        lost, self._lost = self._lost, 0
        if not self._write(self._formatter.lost(self._clock(), lost)):
            return True
        self._lost = lost
        return False

    def _write(self, lines: bytes) -> int:
        """Returns how many lines were lost, also of those that waited."""
        try:
            self._sink.write(lines)
        except OSError as error:  # nobody reads any more, or no room is left
            if not self._failing:
                log.warning("access log lines are lost until it can be written again: %s", error)
            self._failing = True
            return self._sink.forget()
        if lines:
            self._failing = False
        return 0
