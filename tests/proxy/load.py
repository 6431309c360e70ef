"""Steady load on kept connections, and a count of every request that was not answered well."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Load:
    """``clients`` threads, each asking on one connection, ``pause`` seconds after each answer.

    Where a test waits for something else, a pause leaves the processor to that.
    """

    port: int
    clients: int = 6
    target: str = "/load"
    method: str = "GET"
    body: bytes = b""
    pause: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)  # bodies of good answers
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(self.clients)
        ]

    @property
    def count(self) -> int:
        """Requests answered well until now."""
        return sum(self.answers.values())

    def start(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Let each client finish its request."""
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def _run(self, number: int) -> None:
        turn = 0
        while not self._stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
                    while not self._stop.is_set():
                        turn += 1
                        if not self._ask(client, f"{number}-{turn}"):
                            break
                        if self.pause:
                            time.sleep(self.pause)
            except OSError as error:
                with self._lock:
                    self.failures.append(f"{type(error).__name__}: {error}")
                time.sleep(0.01)

    def _ask(self, client: socket.socket, key: str) -> bool:
        """One request; whether the connection may be used again. Raises OSError."""
        client.sendall(
            f"{self.method} {self.target} HTTP/1.1\r\nHost: shop.example\r\nX-User: {key}\r\n"
            f"Idempotency-Key: {key}\r\nContent-Length: {len(self.body)}\r\n\r\n".encode()
            + self.body
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(client)
        head, _, body = received.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
        length = int(fields[b"content-length"])
        while len(body) < length:
            body += self._more(client)
        status = head.split(b" ", 2)[1]
        with self._lock:
            if status == b"200" and len(body) == length:
                self.answers[body.decode()] += 1
            else:
                self.failures.append(f"{status.decode()} {body[:200]!r}")
        return fields.get(b"connection") != b"close"

    @staticmethod
    def _more(client: socket.socket) -> bytes:
        piece = client.recv(65536)
        if not piece:
            raise ConnectionError("closed in the middle of an answer")
        return piece


@contextmanager
def load(port: int, **more: object) -> Iterator[Load]:
    """A load while the block runs."""
    running = Load(port, **more).start()  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.stop()
