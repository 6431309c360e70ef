"""A Redis that takes its time to answer, as long as it is told to."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit


class Withholding:
    """Stands before Redis, and keeps back what it answers to SET until let go."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.withholds, self.let_go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._pass_on)
        self._asking: list[socket.socket] = []

    @property
    def url(self) -> str:
        login, _, _ = self._parts.netloc.rpartition("@")
        port = self._listener.getsockname()[1]
        return self._parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()

    def __enter__(self) -> Withholding:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # also where nobody has come
        self.hang_up()
        self._thread.join(10)
        self._listener.close()

    def hang_up(self) -> None:
        """On whoever asks."""
        for asker in self._asking:
            with suppress(OSError):
                asker.shutdown(socket.SHUT_RDWR)

    def _pass_on(self) -> None:
        with suppress(OSError):  # the asker has gone, or never came
            asker, _ = self._listener.accept()
            self._asking.append(asker)
            where = (self._parts.hostname, self._parts.port)
            with asker, socket.create_connection(where) as memory:
                while asked := asker.recv(65_536):
                    memory.sendall(asked)
                    answer = memory.recv(65_536)
                    if b"$3\r\nSET\r\n" in asked:
                        self.withholds.set()
                        self.let_go.wait(60)
                    asker.sendall(answer)
