"""An upstream that keeps every byte it is sent, and answers each request that it can read."""

from __future__ import annotations

import contextlib
import socket
import threading

from tests.benchmarks.proxy import wire

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok"
HEAD = ANSWER.removesuffix(b"ok")
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
BACKLOG = 128


class Recorder:
    """Listens on ``port`` until ``close``."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.port: int = self._server.getsockname()[1]
        self._lock = threading.Lock()
        self._seen: dict[socket.socket, bytes] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self) -> list[bytes]:
        """What arrived since the last time, by connection; connections without news left out."""
        with self._lock:
            seen = [data for data in self._seen.values() if data]
            self._seen = {connection: b"" for connection in self._seen if connection.fileno() >= 0}
        return seen

    def close(self) -> None:
        """End it and its connections."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            open_ones = list(self._seen)
        for connection in open_ones:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._server.accept()
            except OSError:
                return
            with self._lock:
                self._seen[connection] = b""
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        pending = b""
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(65_536):
                with self._lock:
                    self._seen[connection] += data
                reading = wire.read(pending + data)
                for message in reading.messages:
                    connection.sendall(HEAD if message.method == b"HEAD" else ANSWER)
                if reading.fault:
                    connection.sendall(LAST)
                    return
                pending = reading.rest
