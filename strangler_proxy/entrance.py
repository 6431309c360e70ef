"""Where clients come in: a socket that listens, until it is left with nobody waiting before it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from strangler_proxy.wire.sockets import UNIX, open_socket

TURNS = 3  # of the event loop: by then asyncio has made a transport of what its server accepted
log = logging.getLogger(__name__)


class Entrance:
    """``await open()``, then ``await leave()`` or ``close()``. ``make`` makes a protocol for each
    client; ``arriving`` are those that were taken in last and have none yet."""

    def __init__(
        self, address: str, backlog: int, tls: ssl.SSLContext | None, make: Callable[[], Any]
    ) -> None:
        self._address = address
        self._backlog = backlog
        self._tls = tls
        self._make = make
        # uvloop's is no asyncio.Server, and compiled code would insist on one.
        self._server: Any = None
        self.arriving: set[asyncio.Task[None]] = set()

    async def open(self, given: socket.socket | None = None) -> None:
        """Listen, on ``given`` if there is one. Raises OSError."""
        loop = asyncio.get_running_loop()
        if given is None and self._address.startswith(UNIX):
            self._server = await loop.create_unix_server(
                self._make, self._address[len(UNIX) :], ssl=self._tls, backlog=self._backlog
            )
            return
        self._server = await loop.create_server(
            self._make,
            sock=given or open_socket(self._address, shared=True),
            ssl=self._tls,
            backlog=self._backlog,
        )

    def sockets(self) -> list[socket.socket]:
        """Those it listens on; none when it was left."""
        return [] if self._server is None else list(self._server.sockets)

    async def leave(self) -> None:
        """Take in all who wait, then listen no more. What they ask is answered as ever."""
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as copies:
            queues = [copies.enter_context(one.dup()) for one in self.sockets()]
            for one in self.sockets():
                loop.remove_reader(one.fileno())  # asyncio's server accepts by it; uvloop has none
            for _ in range(TURNS):
                await asyncio.sleep(0)
            self.close()
            for queue in queues:
                self._take_in(queue)

    def close(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def stop(self) -> None:
        """Listen no more, and drop who is arriving."""
        self.close()
        for task in self.arriving:
            task.cancel()

    def _take_in(self, queue: socket.socket) -> None:
        """Accept all who wait; not more than can wait, for others may go on coming."""
        queue.setblocking(False)
        for _ in range(self._backlog + 1):
            try:
                accepted = queue.accept()[0]
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # that one has gone
            except OSError as error:
                log.error("%s: those who wait are turned away: %s", self._address, error)
                return
            task = asyncio.create_task(self._admit(accepted))
            self.arriving.add(task)
            task.add_done_callback(self.arriving.discard)

    async def _admit(self, accepted: socket.socket) -> None:
        accepted.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._make, accepted, ssl=self._tls)
        except OSError as error:  # of TLS, too
            log.debug("%s: a client did not come in: %s", self._address, error)
            accepted.close()
