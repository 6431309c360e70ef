"""A table of placements that a test writes."""

from __future__ import annotations

import time

from modules.platform.placement.placed import Placed, Placements
from modules.platform.placement.watching import Watcher


class Still:
    """A source in memory, with the watcher that reads it."""

    def __init__(self) -> None:
        self.rows: dict[str, Placed] = {}
        self.reads = 0
        self.trouble: Exception | None = None
        self.watcher: Watcher | None = None

    def place(self, module: str, percent: int) -> None:
        """Known to the watcher when this returns."""
        self.rows = {**self.rows, module: Placed(percent=percent, revision=len(self.rows) + 1)}
        if self.watcher is not None:
            self.watcher.turn()

    def read(self) -> Placements:
        self.reads += 1
        if self.trouble is not None:
            raise self.trouble
        return self.rows

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        """There is nothing to hang up."""

    def after_fork(self) -> None:
        """There is nothing to let go of."""
