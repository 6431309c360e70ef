"""An instance that answers with raw bytes as told: gateways, garbage, and those that dawdle."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

Piece = bytes | float  # bytes to send, seconds to wait


class Scripted:
    """Each connection gets the same ``script`` once it has sent something, and is closed."""

    def __init__(self, script: Sequence[Piece]) -> None:
        self._script = script
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.asked = 0
        self._spawn(self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
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
            self._spawn(self._answer, caller)

    def _answer(self, caller: socket.socket) -> None:
        with caller:
            caller.settimeout(5)
            try:
                if not caller.recv(65_536):
                    return
                self.asked += 1
                for piece in self._script:
                    if isinstance(piece, bytes):
                        caller.sendall(piece)
                    else:
                        time.sleep(piece)
            except OSError:
                return


@contextmanager
def scripted(*script: Piece) -> Iterator[Scripted]:
    """An instance that answers by ``script``, ended afterwards."""
    one = Scripted(script)
    try:
        yield one
    finally:
        one.close()
