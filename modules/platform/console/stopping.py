"""How a command that runs until it is told to stop hears of it, whatever it is doing then."""

from __future__ import annotations

import signal
import threading
from queue import Empty, SimpleQueue
from types import FrameType


class Stop(threading.Event):
    """An event that a signal's handler may set; ``by``: the signals' names, as they came.

    Another ``threading.Event`` may not: its lock is one that the main thread may hold at that
    moment, in ``wait`` or ``set``, and the handler, which runs in the same thread, would wait for
    it for ever. A ``SimpleQueue`` is made to be put to from within itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by = ""
        self._is_told = False
        self._wakes: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        return self._is_told

    def set(self) -> None:
        self._is_told = True
        self._wakes.put(None)

    def clear(self) -> None:
        """Raises RuntimeError: what was told to stop does not go on."""
        raise RuntimeError("a Stop that was set stays so")

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set, at once if so, else within ``timeout`` seconds."""
        if not self._is_told:
            try:
                self._wakes.get(timeout=None if timeout is None else max(0.0, timeout))
                self._wakes.put(None)  # for whoever else waits
            except Empty:
                pass
        return self._is_told


def stop_by_signal() -> Stop:
    """A ``Stop`` that SIGTERM and SIGINT set from now on. Call it in the main thread."""
    stop = Stop()

    def heard(number: int, frame: FrameType | None) -> None:
        stop.by = f"{stop.by} {signal.Signals(number).name}".lstrip()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, heard)
    return stop
