"""The connections to one instance of an upstream: made, kept alive, closed when idle too long."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from strangler_proxy.config import Connections
from strangler_proxy.connection import UpstreamConnection
from strangler_proxy.errors import ConnectFailed

Clock = Callable[[], float]


class Pool:
    """The connections of one instance; the one used last is used next."""

    __slots__ = (
        *("_idle", "_most", "_now", "_open", "_requests", "_server_name", "_tls"),
        *("address", "closed", "rules"),
    )

    def __init__(
        self,
        address: str,
        rules: Connections,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
        clock: Clock,
    ) -> None:
        self.address = address
        self.rules = rules
        self._requests, self._most = rules.requests, rules.idle
        self._now = clock()  # of the last sweep: which half second it is will do
        self._open: set[UpstreamConnection] = set()
        self.closed = False
        self._idle: list[UpstreamConnection] = []
        self._tls = tls
        self._server_name = server_name

    @property
    def open(self) -> int:
        return len(self._open)

    @property
    def idle(self) -> int:
        return len(self._idle)

    def take(self) -> UpstreamConnection | None:
        """An idle connection that is still open."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def keep(self, connection: UpstreamConnection) -> bool:
        """Put it back; False when it is not wanted any more."""
        if self.closed or connection.served >= self._requests or len(self._idle) >= self._most:
            return False
        connection.since = self._now
        self._idle.append(connection)
        return True

    def made(self, connection: UpstreamConnection) -> None:
        self._open.add(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        if connection.receiver is None and connection in self._idle:
            self._idle.remove(connection)

    async def dial(self) -> UpstreamConnection:
        """A new connection. Raises ConnectFailed."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.rules.connect_seconds):
                return await self._connect(loop)
        except TimeoutError:
            patience = self.rules.connect_seconds
            raise ConnectFailed(f"{self.address}: no connection in {patience:g} s") from None
        except OSError as error:
            raise ConnectFailed(f"{self.address}: {error.strerror or error}") from None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> UpstreamConnection:
        def make() -> Any:
            return UpstreamConnection(self)

        connection: UpstreamConnection
        arguments: dict[str, Any] = {}
        if self._tls is not None:
            arguments = {"ssl": self._tls, "server_hostname": self._server_name or self._host()}
        if self.address.startswith("unix:"):
            _, connection = await loop.create_unix_connection(make, self.address[5:], **arguments)
            return connection
        host, port = self.address.rsplit(":", 1)
        _, connection = await loop.create_connection(make, host.strip("[]"), int(port), **arguments)
        return connection

    def _host(self) -> str:
        return self.address.rsplit(":", 1)[0].strip("[]")

    def sweep(self, now: float) -> None:
        """Close what has been idle for too long; the oldest lie first."""
        self._now = now
        limit = now - self.rules.idle_seconds
        while self._idle and self._idle[0].since < limit:
            self._idle.pop(0).transport.close()

    def close(self) -> None:
        """Close what is idle now, and all others when their answer is whole."""
        self.closed = True
        while self._idle:
            self._idle.pop().transport.close()

    def abort(self) -> None:
        """Close all now, those in the middle of an answer as well; nobody is told."""
        self.close()
        for connection in tuple(self._open):
            connection.drop()
