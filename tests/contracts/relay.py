"""A relay between caller and host that harms what passes: late, lost after the deed, twice.

It reads whole HTTP/1.1 messages with a Content-Length, as calls are, and does to the n-th request
what the n-th fault of its plan says, over and over.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from enum import Enum
from itertools import cycle

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)
DELAY = 0.02  # seconds, before the host and before the caller


class Fault(Enum):
    """What becomes of one request."""

    NONE = "none"
    DELAY = "delay"
    LOSE = "lose"  # the host acts, its answer never arrives
    TWICE = "twice"  # the same bytes arrive two times
    CUT = "cut"  # the connection ends before the host has heard anything


class Relay:
    """Listens at ``url``. ``seen`` has each fault with the statuses that the host answered."""

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
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def plan(self, *faults: Fault) -> None:
        """From now on these, in turn; none without any."""
        self._plan = cycle(faults or (Fault.NONE,))
        self.seen: list[tuple[Fault, tuple[int, ...]]] = []

    def close(self) -> None:
        """End everything that is open, and wait for it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for one in self._open:
                one.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

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
            try:
                while request := _message(caller):
                    answer = self._pass_on(request, host)
                    if answer is None:
                        break
                    caller.sendall(answer)
            except OSError:
                pass  # one of the two has gone
            finally:
                with self._lock:
                    self._open.discard(caller)

    def _pass_on(self, request: bytes, host: socket.socket) -> bytes | None:
        """The answer for the caller; None to leave it without one."""
        with self._lock:
            fault = next(self._plan)
        answers = []
        for _ in range({Fault.CUT: 0, Fault.TWICE: 2}.get(fault, 1)):
            if fault is Fault.DELAY:
                time.sleep(DELAY)
            host.sendall(request)
            answers.append(_message(host))
        self.seen.append((fault, tuple(int(one[9:12]) for one in answers if one)))
        if fault is Fault.DELAY:
            time.sleep(DELAY)
        return None if fault in (Fault.LOSE, Fault.CUT) else answers[0]


def _message(sender: socket.socket) -> bytes:
    """One whole message; empty at the end of the connection."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        piece = sender.recv(65_536)
        if not piece:
            return b""
        data += piece
    length = _LENGTH.search(data[: end + 2])
    missing = end + 4 + int(length[1] if length else 0) - len(data)
    while missing > 0:
        piece = sender.recv(missing)
        if not piece:
            return b""
        data += piece
        missing -= len(piece)
    return data
