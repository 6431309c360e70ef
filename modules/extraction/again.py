"""Work that goes on in a thread as long as its owner wants, begun again when it ends by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

LONGEST = 30.0  # seconds until it is tried again, and a life after which all is as at first


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """``run`` ends when its event is set; ending before, or with one of ``outlives``, it is begun
    again as soon as ``is_possible``. Whatever else it raises is its owner's.
    """

    name: str
    run: Callable[[threading.Event], object]
    outlives: tuple[type[Exception], ...] = ()
    is_possible: Callable[[], bool] = lambda: True


class Again:
    """One piece of work. ``keep`` at every look; for one thread."""

    def __init__(self, work: Work, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._work, self._clock = work, clock
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._tries = 0
        self._again_at = float("-inf")
        self._begin()

    @property
    def is_alive(self) -> bool:
        """Whether it is being done."""
        return self._thread.is_alive()

    def keep(self) -> None:
        """Begin it again if it has ended: at once, then less and less often.

        Raises what has ended it for good.
        """
        if self._failure is not None:
            raise self._failure
        now = self._clock()
        if self.is_alive:
            if now - self._begun_at > LONGEST:
                self._tries = 0
            return
        if now < self._again_at or not self._is_possible(now):
            return
        log.warning("extraction.begun_again", work=self._work.name, tries=self._tries)
        self._begin()

    def close(self) -> None:
        """Returns when nothing runs any more."""
        self._stop.set()
        self._thread.join()

    def _is_possible(self, now: float) -> bool:
        self._tries += 1
        self._again_at = now + min(LONGEST, 2.0 ** (self._tries - 1))
        return self._work.is_possible()

    def _begin(self) -> None:
        self._begun_at = self._clock()
        self._thread = threading.Thread(target=self._run, name=self._work.name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work.run(self._stop)
        except self._work.outlives as error:
            log.warning("extraction.ended", work=self._work.name, error=str(error).strip())
        except Exception as error:  # for whoever asks for the next look
            self._failure = error
