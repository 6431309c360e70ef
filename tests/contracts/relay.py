"""A relay between caller and host that harms what passes: late, lost after the deed, twice.

It reads whole HTTP/1.1 messages with a Content-Length, as calls are, and does to the n-th request
what the n-th fault of its plan says, over and over.
"""

from __future__ import annotations

import re
import socket
import time

from tests.contracts.between import DELAY, Between, Fault

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)\r\n", re.IGNORECASE)


class Relay(Between):
    """Of HTTP/1.1. ``seen`` has each fault with the statuses that the host answered."""

    scheme = "http"

    def plan(self, *faults: Fault) -> None:
        super().plan(*faults)
        self.seen: list[tuple[Fault, tuple[int, ...]]] = []

    def _pass_on(self, caller: socket.socket, host: socket.socket) -> None:
        while request := _message(caller):
            answer = self._answer(request, host)
            if answer is None:
                return
            caller.sendall(answer)

    def _answer(self, request: bytes, host: socket.socket) -> bytes | None:
        """The answer for the caller; None to leave it without one."""
        fault = self._next()
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
