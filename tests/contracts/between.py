"""What stands between a caller and a host to do harm: connections passed on, faults in turn."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import Enum
from itertools import cycle

DELAY = 0.02  # seconds, before the host and before the caller


class Fault(Enum):
    """What becomes of one request."""

    NONE = "none"
    DELAY = "delay"
    LOSE = "lose"  # the host acts, its answer never arrives
    TWICE = "twice"  # the same bytes arrive two times
    CUT = "cut"  # the connection ends before the host has heard anything


class Between:
    """Listens at ``url`` and connects each caller ``to`` the host; subclasses know the protocol."""

    scheme = ""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.plan()
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    def plan(self, *faults: Fault) -> None:
        """From now on these, in turn; none without any."""
        self._plan = cycle(faults or (Fault.NONE,))

    def close(self) -> None:
        """End everything that is open, and wait for it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for one in self._open:
                end(one)
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _pass_on(self, caller: socket.socket, host: socket.socket) -> None:
        """Until one of the two has gone: OSError, or return."""
        raise NotImplementedError

    def _next(self) -> Fault:
        """Of the request that has just come."""
        with self._lock:
            return next(self._plan)

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(caller)
            self._spawn(self._serve, caller)

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self._to) as host:
            with self._lock:
                self._open.add(host)
            try:
                with contextlib.suppress(OSError):  # one of the two has gone
                    self._pass_on(caller, host)
            finally:
                with self._lock:
                    self._open -= {caller, host}


def end(one: socket.socket) -> None:
    """Both directions, at once; whoever reads from it sees its end."""
    with contextlib.suppress(OSError):  # it has ended already
        one.shutdown(socket.SHUT_RDWR)
