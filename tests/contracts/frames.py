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

from tests.contracts.between import DELAY, Between, Fault, end

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS = 1
HEAD = 9  # bytes of a frame before its payload


class FrameRelay(Between):
    """Of HTTP/2. ``seen`` has the fault of each request, in order."""

    scheme = "grpc"

    def plan(self, *faults: Fault) -> None:
        super().plan(*faults)
        self.seen: list[Fault] = []

    def _pass_on(self, caller: socket.socket, host: socket.socket) -> None:
        lost: dict[int, Fault] = {}
        back = threading.Thread(target=self._back, args=(host, caller, lost))
        back.start()
        try:
            self._forth(caller, host, lost)
        finally:
            end(caller)
            end(host)
            back.join(10)

    def _forth(self, caller: socket.socket, host: socket.socket, lost: dict[int, Fault]) -> None:
        host.sendall(_exactly(caller, len(PREFACE)))
        while True:
            frame, kind, stream = _frame(caller)
            if kind == HEADERS:
                fault = lost[stream] = self._next()
                self.seen.append(fault)
                if fault is Fault.DELAY:
                    time.sleep(DELAY)
                if fault is Fault.CUT:
                    return
            host.sendall(frame)

    def _back(self, host: socket.socket, caller: socket.socket, lost: dict[int, Fault]) -> None:
        with contextlib.suppress(OSError):  # one of the two has gone
            while True:
                frame, kind, stream = _frame(host)
                fault = lost.get(stream) if kind == HEADERS else None
                if fault is Fault.LOSE:
                    break  # the host has acted
                if fault is Fault.DELAY:
                    time.sleep(DELAY)
                caller.sendall(frame)
        end(caller)
        end(host)


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
