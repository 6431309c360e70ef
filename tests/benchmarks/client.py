"""A keep-alive HTTP/1.1 client that costs little, so that what is measured is the server."""

from __future__ import annotations

import socket

TIMEOUT = 30.0  # seconds


class Connection:
    """One connection to a server on this machine; opens again when the server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._host = f"Host: 127.0.0.1:{port}\r\n"
        self._socket: socket.socket | None = None
        self._rest = b""

    def request(
        self, method: str, path: str, body: bytes = b"", headers: str = ""
    ) -> tuple[int, bytes]:
        """Status and body of the answer; ``headers`` are whole lines. Raises OSError."""
        head = f"{method} {path} HTTP/1.1\r\n{self._host}{headers}"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        elif method != "GET":
            head += "Content-Length: 0\r\n"
        message = head.encode() + b"\r\n" + body
        fresh = self._socket is None
        try:
            return self._exchange(message)
        except OSError:
            self.close()
            if fresh:
                raise
            return self._exchange(message)  # the server had closed the idle connection

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
        self._socket, self._rest = None, b""

    def _exchange(self, message: bytes) -> tuple[int, bytes]:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(message)
        data = self._until(b"\r\n\r\n")
        head, _, self._rest = data.partition(b"\r\n\r\n")
        status = int(head[9:12])
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            body = self._chunks()
        else:
            body = self._exactly(_length(fields)) if status != 204 else b""
        if b"\r\nconnection: close" in fields or head.startswith(b"HTTP/1.0"):
            self.close()
        return status, body

    def _more(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        return data

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._rest:
            self._rest += self._more()
        return self._rest

    def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._rest += self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return body

    def _chunks(self) -> bytes:
        body = b""
        while True:
            line, _, self._rest = self._until(b"\r\n").partition(b"\r\n")
            size = int(line.split(b";")[0], 16)
            body += self._exactly(size)
            self._exactly(2)
            if not size:
                return body


def _length(fields: bytes) -> int:
    name = b"\r\ncontent-length:"
    start = fields.find(name)
    return int(fields[start + len(name) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
