"""Serves the admin application in the event loop that is already running.

uvicorn is told to keep its hands off signals, logging and the lifespan: the process is not its
own. The socket is opened here, so that a taken port is an error of ours and not ``sys.exit``.

At a restart without a gap two processes have the address for a while: who starts last gets the
new connections, and when it ends before the other, that one gets them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn

from strangler_proxy.config import Admin
from strangler_proxy.control.app import admin_app
from strangler_proxy.control.fleet import Fleet
from strangler_proxy.errors import ProxyError
from strangler_proxy.wire.handover import (
    HANDSHAKE_SECONDS,
    deal_out_evenly,
    leave_to_others,
    listening,
    prepare_to_close,
    take_from,
)
from strangler_proxy.wire.sockets import name_of, open_socket, remove

OTHER = "already in use, by a front door with other addresses under listen"
GRACE = 2  # seconds for answers under way when the listener stops


class AdminUnavailable(ProxyError):
    """The admin listener cannot be opened."""

    def __init__(self, address: str, error: OSError) -> None:
        super().__init__(f"admin.address {address}: {error.strerror or error}")


class AdminListener:
    """``await start()``, ``await stop()``. ``address`` is where it listens, port 0 resolved."""

    def __init__(self, admin: Admin, fleet: Fleet) -> None:
        self._admin = admin
        self._app = admin_app(fleet, admin)
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.address = admin.address
        self._sockets: list[socket.socket] = []
        self._earlier: frozenset[int] = frozenset()

    async def start(self, *, succeeds: bool = False) -> None:
        """Listen and serve. Raises AdminUnavailable.

        ``succeeds``: who listens there already may be our predecessor, to be taken over from.
        """
        opened, self._earlier = _listen(self._admin.address, succeeds=succeeds)
        self._sockets = [opened]
        self.address = name_of(opened)
        self._server = _Server(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._task = asyncio.create_task(self._server.serve(sockets=[opened]))
        waiter = asyncio.create_task(self._server.serving.wait())
        done, _ = await asyncio.wait({waiter, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if self._task in done:
            waiter.cancel()
            await self._task  # says why it did not begin

    async def stop(self) -> None:
        """Finish what is under way and stop listening. Does nothing if it was not started."""
        if self._server is None or self._task is None:
            return
        if leave_to_others(self._sockets, self._earlier):
            await asyncio.sleep(HANDSHAKE_SECONDS)
            prepare_to_close(self._sockets, self._earlier)
        self._server.end()
        await self._task
        self._task = None
        remove(self.address)

    def deal_out_evenly(self) -> None:
        """If nobody shares the address any more, nothing of that is to be left."""
        deal_out_evenly(self._sockets)


class _Server(uvicorn.Server):
    """One that lives in somebody else's process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Finish what is under way and stop."""
        self.should_exit = True
        self._ending.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.serving.set()

    async def main_loop(self) -> None:
        """Once a second, for the Date header, and at once at the end; not ten times a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 1)


def _listen(address: str, *, succeeds: bool) -> tuple[socket.socket, frozenset[int]]:
    """The socket, and who listened there before."""
    try:
        opened = open_socket(address, shared=True, mode=0o600)
        try:
            earlier = listening(opened)
            if earlier and not succeeds:
                raise OSError(errno.EADDRINUSE, OTHER)
            opened.listen()
            take_from(len(earlier), opened)
        except OSError:
            opened.close()
            raise
    except OSError as error:
        raise AdminUnavailable(address, error) from error
    return opened, earlier
