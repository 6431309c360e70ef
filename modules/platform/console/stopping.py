"""How a command that runs until it is told to stop hears of it, whatever it is doing then."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from types import FrameType

# Python hears of a signal that comes in the instant before it blocks when it blocks no more.
LONGEST = 2.0  # seconds in one go; who tells a process to stop waits 10


class Stop(threading.Event):
    """An event that a signal's handler may set; ``by``: the signals' names, as they came.

    Another ``threading.Event`` may not: its lock is one that the main thread may hold at that
    moment, in ``wait`` or ``set``, and the handler, which runs in the same thread, would wait for
    it for ever. Here it is a bare lock that is held until it is told: anybody may release that at
    any moment, also from within its own ``acquire``. A ``SimpleQueue``, made to be put to from
    within itself, is no help: up to Python 3.12 its ``get`` waits for ever when its time is over
    before it has begun to wait.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by = ""
        self._is_told = False
        self._gate = threading.Lock()
        self._gate.acquire()

    def is_set(self) -> bool:
        return self._is_told

    def set(self) -> None:
        self._is_told = True
        self._open()

    def clear(self) -> None:
        """Raises RuntimeError: what was told to stop does not go on."""
        raise RuntimeError("a Stop that was set stays so")

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set, at once if so, else within ``timeout`` seconds."""
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._is_told and (left := until - time.monotonic()) > 0:
            if self._gate.acquire(timeout=min(left, LONGEST)):
                self._open()  # for whoever else waits
        return self._is_told

    def _open(self) -> None:
        with suppress(RuntimeError):  # somebody has, meanwhile
            self._gate.release()


def stop_by_signal() -> Stop:
    """A ``Stop`` that SIGTERM and SIGINT set from now on. Call it in the main thread."""
    stop = Stop()

    def heard(number: int, frame: FrameType | None) -> None:
        stop.by = f"{stop.by} {signal.Signals(number).name}".lstrip()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heard)
    return stop
