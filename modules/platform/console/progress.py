"""Progress on stderr: a bar with an honest time left on a terminal, a line now and then else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

EVERY = 5.0  # seconds between lines when stderr is no terminal


class Progress:
    """``with Progress("products", total=9000) as progress: progress.advance(500)``."""

    def __init__(self, label: str, *, total: int | None = None) -> None:
        self.label, self.total, self.done = label, total, 0
        self._bar: RichProgress | None = None
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self.label, total=self.total)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """``count`` more are done."""
        self.done += count
        if self._bar is not None:
            self._bar.advance(self._task, count)
        elif time.monotonic() - self._said >= EVERY:
            self._said = time.monotonic()
            rate = self.done / max(self._said - self._started, 0.001)
            of = f" of {self.total:,}" if self.total else ""
            sys.stderr.write(f"{self.label}: {self.done:,}{of} ({rate:,.0f}/s)\n")
