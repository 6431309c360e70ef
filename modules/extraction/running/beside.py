"""What runs beside a run: changes are carried all the while, and somebody may ask how it stands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg
from django.db import DatabaseError, connections

from modules.extraction.following import watch
from modules.extraction.phases import INSTALLED
from modules.extraction.showing import status
from modules.extraction.standings import standing_of
from modules.extraction.steps import Ask


class Carrying:
    """``watch`` in a thread, as soon as there is something to carry; others may run beside it."""

    def __init__(self, module: str) -> None:
        self._ask = Ask(module=module, reason="run")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """Nothing where it runs already, or where nothing is installed."""
        if self._thread is None and standing_of(self._ask.module).phase in INSTALLED:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Returns when it has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                # A side that is away comes back; the stages say so if it does not.
                with suppress(psycopg.Error, DatabaseError):
                    watch(self._ask, self._stop)
                self._stop.wait(1.0)
        finally:
            connections.close_all()


@contextmanager
def carrying(module: str) -> Iterator[Carrying]:
    """For the time of a run."""
    one = Carrying(module)
    one.begin()
    try:
        yield one
    finally:
        one.end()


def stands(module: str) -> str:
    """One line: phase, split, lag. For a thread of its own."""
    try:
        [shown] = status(module).modules
    except (psycopg.Error, DatabaseError) as error:
        return str(error).strip().partition("\n")[0]
    finally:
        connections.close_all()
    lag = "" if shown.lag is None else f", {shown.lag:,} changes wait"
    split = f"monolith {100 - shown.percent} %, service {shown.percent} %"
    return f"{shown.phase}, epoch {shown.epoch}; work: {split}; data: {shown.databases}{lag}"
