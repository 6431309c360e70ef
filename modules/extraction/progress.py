"""How far a long verb is, on stderr: a bar with an honest time left, or a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from modules.extraction.phases import Standing
from modules.platform.console import Progress

EVERY = 5.0  # seconds between lines of a watch


class Shown:
    """``at`` takes what a use case tells. Nothing is shown before the first word."""

    def __init__(self, verb: str, module: str) -> None:
        self._label = f"{verb} {module}"
        self._bar: Progress | None = None
        self._last: tuple[str, float] = ("", 0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def at(self, what: str, done: int, total: int) -> None:
        """``done`` rows of ``total`` (0: unknown) are through; it is at ``what`` now."""
        if self._bar is None:
            self._bar = Progress(self._label, total=total or None)
            self._bar.__enter__()
        self._bar.advance(max(0, done - self._bar.done))

    def say(self, words: str) -> None:
        """One line."""
        sys.stderr.write(f"{self._label}: {words}\n")
        sys.stderr.flush()

    def standing(self, standing: Standing) -> None:
        """A line when something is new, and now and then."""
        words = f"{standing.phase}, changes go {standing.direction.replace('_', ' ')}"
        words += ", paused" if standing.paused else ""
        now = time.monotonic()
        if words != self._last[0] or now - self._last[1] > EVERY:
            self._last = (words, now)
            sys.stderr.write(f"{self._label}: {words}\n")
            sys.stderr.flush()
