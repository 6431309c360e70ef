"""One HTTP exchange with another host, over connections kept open by this process.

The deadline holds for all of it together: connecting, and each read and write of the socket, gets
what is left, so that a peer which sends a byte now and then cannot keep a caller. Head and body go
out in one piece. Made of a socket and a parser (``reading``), because a client for any server
(httpx, and httpcore beneath it) has timeouts for single steps only and takes two to four times the
CPU.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from functools import cached_property
from urllib.parse import urlsplit

import msgspec

from modules.platform.resilience import Deadline
from modules.platform.rpc.reading import Answer, BadAnswer, Reader

CONNECT = 2.0  # seconds: a listening host of the same network answers in milliseconds
IDLE = 15.0  # seconds a connection is kept; shorter than any server's own patience
PIECE = 65_536  # bytes at a time, so that the deadline is looked at in between
PORTS = {"http": 80, "https": 443}

Headers = list[tuple[bytes, bytes]]


class NoAnswer(Exception):
    """The exchange failed. ``in_time``: not for want of time. ``sent``: it may have arrived."""

    def __init__(self, reason: str, *, sent: bool, in_time: bool) -> None:
        super().__init__(reason)
        self.sent = sent
        self.in_time = in_time


class Address(msgspec.Struct, frozen=True):
    """Where requests go, taken apart once."""

    host: str
    port: int
    is_secure: bool
    head: bytes  # the first lines of every request

    @classmethod
    def of(cls, base: str, path: str) -> Address:
        """``base`` is scheme, host and port. Raises ValueError for what is none."""
        parts = urlsplit(base)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"{base} is no address of a host over http or https")
        head = f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n".encode("ascii")
        port = parts.port or PORTS[parts.scheme]
        return cls(parts.hostname, port, parts.scheme == "https", head)


class Transport:
    """The connections of this process. Safe between threads; not to be used after a fork."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._idle: dict[tuple[str, int, bool], list[_Connection]] = {}
        self._lock = threading.Lock()
        self._swept = time.monotonic()

    def post(self, to: Address, headers: Headers, body: bytes, deadline: Deadline) -> Answer:
        """Send and wait for the whole answer. Raises NoAnswer."""
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        request = b"%sContent-Length: %d\r\n%s\r\n%s" % (to.head, len(body), lines, body)
        connection = self._taken(to) or self._opened(to, deadline)
        try:
            answer, stays_open = connection.exchange(request, deadline)
        except BaseException as error:
            connection.close()
            if isinstance(error, TimeoutError):
                raise NoAnswer("no answer in time", sent=True, in_time=False) from error
            if isinstance(error, OSError | BadAnswer):
                reason = f"cut off ({error or type(error).__name__})"
                raise NoAnswer(reason, sent=True, in_time=True) from error
            raise
        if stays_open:
            self._give_back(to, connection)
        else:
            connection.close()
        return answer

    def close(self) -> None:
        """Close idle connections; those in use close when they are not to be reused."""
        with self._lock:
            idle = [one for several in self._idle.values() for one in several]
            self._idle.clear()
        for one in idle:
            one.close()

    def _taken(self, to: Address) -> _Connection | None:
        """The connection used last of those that are still good."""
        while True:
            with self._lock:
                idle = self._idle.get((to.host, to.port, to.is_secure))
                one = idle.pop() if idle else None
            if one is None or one.is_good():
                return one
            one.close()

    def _give_back(self, to: Address, one: _Connection) -> None:
        one.idle_since = now = time.monotonic()
        with self._lock:
            self._idle.setdefault((to.host, to.port, to.is_secure), []).append(one)
            old = self._too_old(now) if now - self._swept > IDLE else []
        for each in old:
            each.close()

    def _too_old(self, now: float) -> list[_Connection]:
        """Taken out: also those to hosts that nobody calls any more."""
        self._swept = now
        old = []
        for key, several in list(self._idle.items()):
            old += [one for one in several if now - one.idle_since >= IDLE]
            self._idle[key] = [one for one in several if now - one.idle_since < IDLE]
            if not self._idle[key]:
                del self._idle[key]
        return old

    def _opened(self, to: Address, deadline: Deadline) -> _Connection:
        try:
            left = max(0.001, deadline.cap(CONNECT))
            sock = socket.create_connection((to.host, to.port), left)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if to.is_secure:
                    sock = self._tls.wrap_socket(sock, server_hostname=to.host)
            except BaseException:
                sock.close()
                raise
            return _Connection(sock, Reader(most=self._max_bytes))
        except OSError as error:
            in_time = not deadline.passed()
            reason = f"no connection ({error})"
            raise NoAnswer(reason, sent=False, in_time=in_time) from error

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # takes 10 ms: only where it is needed


class _Connection:
    """One open socket, used by one thread at a time."""

    def __init__(self, sock: socket.socket, reader: Reader) -> None:
        self._sock = sock
        self._reader = reader
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.idle_since = 0.0

    def is_good(self) -> bool:
        """Neither ended by the peer, nor said something unasked, nor idle for too long."""
        return time.monotonic() - self.idle_since < IDLE and not self._poll.poll(0)

    def exchange(self, request: bytes, deadline: Deadline) -> tuple[Answer, bool]:
        """The answer, and whether another may be asked for. Raises OSError, BadAnswer."""
        try:
            self._send(request, deadline)
        except TimeoutError:
            raise
        except OSError:
            pass  # it may have answered before it had read all, and hung up
        return self._reader.answer(lambda: self._received(deadline))

    def close(self) -> None:
        self._sock.close()

    def _send(self, data: bytes, deadline: Deadline) -> None:
        for at in range(0, len(data), PIECE):
            self._sock.settimeout(_left(deadline))
            self._sock.sendall(data[at : at + PIECE] if len(data) > PIECE else data)

    def _received(self, deadline: Deadline) -> bytes:
        self._sock.settimeout(_left(deadline))
        return self._sock.recv(PIECE)


def _left(deadline: Deadline) -> float:
    """Raises TimeoutError."""
    left = deadline.remaining()
    if left <= 0:
        raise TimeoutError("no time is left")
    return left
