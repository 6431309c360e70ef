"""The ceiling of any proxy in Python on uvloop: bytes go from one socket to the other, unread.

A client has an upstream connection of its own, so nothing is parsed, chosen, pooled or logged. What
is left is the event loop, the interpreter's part of it, and the kernel.
"""

from __future__ import annotations

import asyncio
import os

import uvloop

HOST, _, PORT = os.environ["UPSTREAM"].partition(":")


class Side(asyncio.Protocol):
    """One of two. What it hears the other says; before there is another it is kept."""

    def __init__(self, other: Side | None = None) -> None:
        self.transport: asyncio.Transport
        self.other = other
        self.early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early += data
        else:
            self.other.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self.other is not None:
            self.other.transport.close()

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()


class Client(Side):
    """Without an upstream it is hung up on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        asyncio.get_running_loop().create_task(self._dial()).add_done_callback(self._dialled)

    def _dialled(self, done: asyncio.Task[None]) -> None:
        if done.exception() is not None:
            self.transport.abort()

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(lambda: Side(self), HOST, int(PORT))
        self.other = upstream
        upstream.transport.write(self.early)
        if self.transport.is_closing():
            upstream.transport.close()


async def serve() -> None:
    """Until the process is asked to end."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Client, "127.0.0.1", int(os.environ["PORT"]), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve())
