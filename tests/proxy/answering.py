"""Small real servers for the tests: they answer what a test wants, well or badly."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Where it listens and what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer  # may be replaced while it runs
        self.address = ""
        self.heads: list[bytes] = []
        self.now = 0  # requests under way
        self.most_at_once = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the peer or ``answer`` has had enough."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while not writer.is_closing():
                    await self._one(await reader.readuntil(b"\r\n\r\n"), writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        self.heads.append(head)
        self.now += 1
        self.most_at_once = max(self.most_at_once, self.now)
        try:
            await self.answer(head, writer)
        finally:
            self.now -= 1

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def answering(
    answer: Answer, *, tls: ssl.SSLContext | None = None, path: str = "", host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """A server on a free port of ``host``, or on a unix socket at ``path``."""
    server = Server(answer)
    if path:
        listener: Any = await asyncio.start_unix_server(server.serve, path, ssl=tls)
        server.address = f"unix:{path}"
    else:
        listener = await asyncio.start_server(server.serve, host, 0, ssl=tls)
        server.address = f"{host}:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


def saying(status: str = "200 OK", body: bytes = b"", headers: str = "") -> Answer:
    """Answers at once, and whole."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        start = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
        writer.write(start.encode() + body)
        await writer.drain()

    return answer


def sending(data: bytes, *, then: float = 0.0) -> Answer:
    """Sends these bytes as they are, and hangs up after ``then`` seconds."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(then)
        writer.close()

    return answer


def dripping(start: bytes, drop: bytes, seconds: float) -> Answer:
    """Sends ``drop`` every so many seconds, without end."""

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(seconds)

    return answer


async def closed_port() -> str:
    """An address where nobody listens."""
    listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()
    return f"127.0.0.1:{port}"


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Waits for ``condition``; fails when it does not come true in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
