"""A raw upstream under full control: it records what reaches it and answers what a test says."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

# What an answer is made of: bytes to send, seconds to wait, or one of these.
CLOSE, RESET, HALF_CLOSE, HANG = "close", "reset", "half-close", "hang"
Step = bytes | float | str
Respond = Callable[["Got"], bytes | Iterable[Step]]


@dataclass
class Got:
    """A request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    raw: bytes  # the head
    number: int  # of this origin, from 0
    connection: int


def ok(body: bytes = b"ok", *, status: str = "200 OK", more: str = "") -> bytes:
    """A whole answer."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@dataclass
class Origin:
    """Listens on a free port (or a given one) until it is closed."""

    respond: Respond
    port: int = 0
    got: list[Got] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.connections += 1
                self._open.add(client)
                number = self.connections
            threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        buffer = b""
        try:
            while True:
                while b"\r\n\r\n" not in buffer:
                    piece = client.recv(65536)
                    if not piece:
                        return
                    buffer += piece
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                request, buffer = self._read_body(client, head + b"\r\n\r\n", buffer, number)
                if not self._answer(client, self.respond(request)):
                    return
        except OSError:
            return
        finally:
            with self._lock:
                self._open.discard(client)
            client.close()

    def _read_body(
        self, client: socket.socket, head: bytes, buffer: bytes, number: int
    ) -> tuple[Got, bytes]:
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers: dict[str, str] = {}
        for line in filter(None, lines[1:]):
            name, _, value = line.partition(":")
            key = name.lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        body = b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body, buffer = self._read_chunks(client, buffer)
        else:
            length = int(headers.get("content-length", 0))
            while len(buffer) < length:
                piece = client.recv(65536)
                if not piece:
                    raise OSError("cut")
                buffer += piece
            body, buffer = buffer[:length], buffer[length:]
        with self._lock:
            got = Got(method, target, headers, body, head, len(self.got), number)
            self.got.append(got)
        return got, buffer

    @staticmethod
    def _read_chunks(client: socket.socket, buffer: bytes) -> tuple[bytes, bytes]:
        body = b""
        while True:
            while b"\r\n" not in buffer:
                piece = client.recv(65536)
                if not piece:
                    raise OSError("cut")
                buffer += piece
            line, _, buffer = buffer.partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            while len(buffer) < size + 2:
                piece = client.recv(65536)
                if not piece:
                    raise OSError("cut")
                buffer += piece
            body += buffer[:size]
            buffer = buffer[size + 2 :]
            if size == 0:
                return body, buffer

    def _answer(self, client: socket.socket, answer: bytes | Iterable[Step]) -> bool:
        """Play an answer; whether the connection goes on."""
        for step in [answer] if isinstance(answer, bytes) else answer:
            if isinstance(step, bytes):
                client.sendall(step)
            elif isinstance(step, (int, float)):
                self._closed.wait(step)
            elif step == HANG:
                self._closed.wait(60)
                return False
            elif step == HALF_CLOSE:
                client.shutdown(socket.SHUT_WR)
            elif step == RESET:
                client.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
                )
                return False
            else:
                return False
        return True

    @property
    def open(self) -> int:
        """Connections that are open now."""
        with self._lock:
            return len(self._open)

    def drop_connections(self) -> None:
        """Close every open connection, as a restart would."""
        with self._lock:
            for client in self._open:
                try:
                    client.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def close(self) -> None:
        """Stop listening and close all."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()


@contextmanager
def origin(respond: Respond | bytes = b"", port: int = 0) -> Iterator[Origin]:
    """A running origin. ``respond``: what it says to each request, ``ok()`` if nothing is given."""
    given = respond or ok()
    one = Origin((lambda got: given) if isinstance(given, bytes) else given, port)
    try:
        yield one
    finally:
        one.close()


def talk(port: int, data: bytes, *, patience: float = 5.0, shut: bool = False) -> bytes:
    """Send bytes to a port and read until it closes or says nothing more for ``patience``."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client:
        client.sendall(data)
        if shut:
            client.shutdown(socket.SHUT_WR)
        received = b""
        until = time.monotonic() + patience
        try:
            while time.monotonic() < until:
                piece = client.recv(65536)
                if not piece:
                    break
                received += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return received
