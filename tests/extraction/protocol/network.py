"""A network of a test's own: a relay that delays, loses, or breaks off what passes through it.

A partition is a real one. Linux drops the packets that come to the relay's sockets before its TCP
sees them (a socket filter that keeps nothing): nothing is acknowledged, no keepalive is answered, a
connection attempt hangs, and when the link is back, what was sent is sent again by whoever has not
given up.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
import sys
import termios
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from tests.ports import free_port

HOST = "127.0.0.1"
ATTACH, DETACH = 26, 27  # SO_ATTACH_FILTER, SO_DETACH_FILTER, which Python does not name
_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: keep 0 bytes
_FILTER = struct.pack("HL", 1, ctypes.addressof(_NOTHING))
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: to close sends RST
_TABLE = Path("/proc/net/tcp")
_CHUNK = 1 << 16
_ACKNOWLEDGED_WITHIN = 0.1  # seconds; it takes some microseconds


@dataclass(eq=False)
class _Call:
    """One connection through the relay: the client's half, and the server's."""

    near: socket.socket
    far: socket.socket
    ended: int = 0  # halves that will bring nothing more
    answered: bool = True  # whether the last bytes were the server's
    is_over: bool = False

    @property
    def halves(self) -> tuple[socket.socket, socket.socket]:
        return self.near, self.far

    def abort(self) -> None:
        """Both ends get a reset, once whoever reads here has seen that it is over."""
        self.is_over = True
        for half in self.halves:
            with suppress(OSError):
                half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                half.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        for half in self.halves:
            half.close()


@dataclass(frozen=True, slots=True)
class _Parcel:
    """Bytes for one half of a call, not before ``due``; none: there will be no more."""

    due: float
    call: _Call
    to: socket.socket
    content: bytes


@dataclass(eq=False)
class Link:
    """Clients connect to ``port`` of the loopback, and reach ``target_port`` there. To be used in a
    ``with`` block: at its end the relay's threads and connections are gone.
    """

    target_port: int
    port: int = field(default_factory=free_port)
    requests: int = field(default=0, init=False)  # that waited for an answer: round trips
    _delay: float = field(default=0.0, init=False)
    _mishap: Callable[[], object] | None = field(default=None, init=False)

    def __enter__(self) -> Link:
        self._calls: set[_Call] = set()
        self._lock = threading.RLock()
        self._whole = threading.Event()
        self._whole.set()
        self._ended = False
        self._parcels: SimpleQueue[_Parcel | None] = SimpleQueue()
        self._door = socket.create_server((HOST, self.port))
        self._threads: list[threading.Thread] = []  # there before the first adds its call's
        self._threads += [self._start(self._accept), self._start(self._deliver)]
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self.heal()
        self._door.shutdown(socket.SHUT_RDWR)  # accept() ends
        self.reset()
        self._parcels.put(None)
        for thread in self._threads:
            thread.join(10)
        self._door.close()
        assert not any(thread.is_alive() for thread in self._threads)

    def delay(self, seconds: float) -> None:
        """What comes from now on takes so long, each way. Connecting takes no longer."""
        self._delay = seconds

    def cut(self) -> None:
        """No packet passes from now on, in neither direction, and nobody is told."""
        with self._lock:
            self._whole.clear()
            for one in self._sockets():
                _until_acknowledged(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)
                one.setsockopt(socket.SOL_SOCKET, ATTACH, _FILTER)

    def heal(self) -> None:
        """What is sent passes again. Who has given up meanwhile answers the other end with RST."""
        with self._lock:
            if self._whole.is_set():
                return
            there = _connections()
            for call in self._calls:
                if not all(_is_kept(half, there) for half in call.halves):
                    call.abort()
            for one in self._sockets():
                one.setsockopt(socket.SOL_SOCKET, DETACH, 0)
                _ask_at_times(one)  # who gives up just now tells nobody
            self._whole.set()

    def reset(self) -> None:
        """All connections end with RST, at both ends; the next ones are let in."""
        with self._lock:
            for call in self._calls:
                call.abort()

    def in_next_answer(self, mishap: Callable[[], object]) -> None:
        """``mishap`` comes when half of the server's next bytes have been delivered."""
        self._mishap = mishap

    def _start(self, target: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        thread.start()
        return thread

    def _sockets(self) -> list[socket.socket]:
        open_ones = [half for call in self._calls for half in call.halves if half.fileno() >= 0]
        return [self._door, *open_ones]

    def _accept(self) -> None:
        while not self._ended:
            with suppress(OSError):
                near, _ = self._door.accept()
                self._join(near)

    def _join(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection((HOST, self.target_port), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        call = _Call(near, far)
        with self._lock:
            if self._ended:  # nobody would end it any more
                call.close()
                return
            for half in call.halves:
                half.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._whole.is_set():  # since it was accepted
                    half.setsockopt(socket.SOL_SOCKET, ATTACH, _FILTER)
            self._calls.add(call)
            self._threads += [
                self._start(self._carry, call, *halves) for halves in ((near, far), (far, near))
            ]

    def _carry(self, call: _Call, of: socket.socket, to: socket.socket) -> None:
        content = b"-"
        while content:
            try:
                content = of.recv(_CHUNK)
            except OSError:
                call.abort()
                content = b""
            self._count(call, of, content)
            self._parcels.put(_Parcel(time.monotonic() + self._delay, call, to, content))
        with self._lock:
            call.ended += 1
            if call.ended == 2:
                self._calls.discard(call)
                call.close()

    def _count(self, call: _Call, of: socket.socket, content: bytes) -> None:
        is_request = of is call.near
        if content and is_request and call.answered:
            self.requests += 1
        call.answered = not is_request

    def _deliver(self) -> None:
        # One queue for all: what came first is due first, as all take the same time.
        while (parcel := self._parcels.get()) is not None:
            time.sleep(max(0.0, parcel.due - time.monotonic()))
            with suppress(OSError):  # its half is gone
                self._hand_over(parcel)

    def _hand_over(self, parcel: _Parcel) -> None:
        content, half = parcel.content, len(parcel.content) // 2
        if content and self._mishap is not None and parcel.to is parcel.call.near:
            mishap, self._mishap = self._mishap, None
            parcel.to.sendall(content[:half])
            mishap()
            content = content[half:]
        self._whole.wait()
        if parcel.call.is_over:
            return
        if content:
            parcel.to.sendall(content)
        else:
            parcel.to.shutdown(socket.SHUT_WR)


def _ask_at_times(one: socket.socket) -> None:
    """Whether the other end is there still; where it is not, its kernel answers with RST."""
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _until_acknowledged(one: socket.socket) -> None:
    """What the relay itself has sent would be sent again, which a partition lets nobody hear."""
    until = time.monotonic() + _ACKNOWLEDGED_WITHIN
    left = bytearray(4)
    with suppress(OSError):  # the door sends nothing
        while time.monotonic() < until and fcntl.ioctl(one, termios.TIOCOUTQ, left) == 0:
            if not int.from_bytes(left, sys.byteorder):
                return
            time.sleep(0.0005)


def _connections() -> set[tuple[int, int]]:
    """The ports of both ends of each IPv4 connection of this machine."""
    rows = [line.split() for line in _TABLE.read_text().splitlines()[1:]]
    return {(int(row[1][-4:], 16), int(row[2][-4:], 16)) for row in rows}


def _is_kept(half: socket.socket, there: set[tuple[int, int]]) -> bool:
    """Whether whoever is at the other end of ``half`` has not given up."""
    try:
        ours, theirs = half.getsockname()[1], half.getpeername()[1]
    except OSError:
        return False
    return (theirs, ours) in there
