"""A relay between a gRPC caller and host that harms what passes: late, cut before, lost after.

It knows HTTP/2 as far as its frames (RFC 9113, 4.1): a request begins with a HEADERS frame of the
caller's, an answer with one of the host's. What it harms is the connection, with all on it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from itertools import cycle

from tests.contracts.relay import DELAY, Fault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS = 1
HEAD = 9  # bytes of a frame before its payload


class FrameRelay:
    """Listens at ``url``. ``seen`` has the fault of each request, in order."""

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
        return f"grpc://127.0.0.1:{self._listener.getsockname()[1]}"

    def plan(self, *faults: Fault) -> None:
        """From now on these, in turn; none without any."""
        self._plan = cycle(faults or (Fault.NONE,))
        self.seen: list[Fault] = []

    def close(self) -> None:
        """End everything that is open, and wait for it."""
        self._listener.shutdown(socket.SHUT_RDWR)
        with self._lock:
            for one in self._open:
                _end(one)
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
            self._spawn(self._serve, caller)

    def _serve(self, caller: socket.socket) -> None:
        with caller, socket.create_connection(self._to) as host:
            with self._lock:
                self._open |= {caller, host}
            lost: dict[int, Fault] = {}
            back = threading.Thread(target=self._back, args=(host, caller, lost))
            back.start()
            try:
                host.sendall(_exactly(caller, len(PREFACE)))
                while True:
                    frame, kind, stream = _frame(caller)
                    if kind == HEADERS:
                        lost[stream] = self._next()
                        if lost[stream] is Fault.DELAY:
                            time.sleep(DELAY)
                        if lost[stream] is Fault.CUT:
                            return
                    host.sendall(frame)
            except OSError:
                pass  # one of the two has gone
            finally:
                _end(caller)
                _end(host)
                back.join(10)
                with self._lock:
                    self._open -= {caller, host}

    def _next(self) -> Fault:
        with self._lock:
            fault = next(self._plan)
            self.seen.append(fault)
        return fault

    def _back(self, host: socket.socket, caller: socket.socket, lost: dict[int, Fault]) -> None:
        try:
            while True:
                frame, kind, stream = _frame(host)
                fault = lost.get(stream) if kind == HEADERS else None
                if fault is Fault.LOSE:
                    return  # the host has acted
                if fault is Fault.DELAY:
                    time.sleep(DELAY)
                caller.sendall(frame)
        except OSError:
            pass
        finally:
            _end(caller)
            _end(host)


def _frame(sender: socket.socket) -> tuple[bytes, int, int]:
    """A whole frame, its type and its stream. Raises OSError at the end of the connection."""
    head = _exactly(sender, HEAD)
    size, kind, stream = int.from_bytes(head[:3]), head[3], struct.unpack(">I", head[5:])[0]
    return head + _exactly(sender, size), kind, stream & 0x7FFF_FFFF


def _exactly(sender: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = sender.recv(size - len(data))
        if not piece:
            raise ConnectionError("it has gone")
        data += piece
    return data


def _end(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended already
        one.shutdown(socket.SHUT_RDWR)
