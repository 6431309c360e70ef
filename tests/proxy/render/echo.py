"""Real upstreams that say who they are and what they got, in a thread of their own."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httptools

SLOW = 1.5  # seconds that a path with /slow takes


def _accept(headers: dict[str, str]) -> bytes:
    """RFC 6455, section 4.2.2."""
    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    return base64.b64encode(hashlib.sha1(key.encode(), usedforsecurity=False).digest())


class _Connection(asyncio.Protocol):
    """Answers every request with JSON; ``/status/503`` anywhere in a path sets the status."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.parser = httptools.HttpRequestParser(self)
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgrade()

    def on_message_begin(self) -> None:
        self.url = self.body = b""
        self.headers: list[tuple[str, str]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode().lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        seen = {
            "upstream": self.upstream.name,
            "method": self.parser.get_method().decode(),
            "target": self.url.decode("latin-1"),
            "headers": dict(self.headers),
            "body": len(self.body),
        }
        if self.url != b"/readyz":
            self.upstream.requests.append(seen)
        answer = functools.partial(self.answer, json.dumps(seen).encode(), seen["method"] == "HEAD")
        if b"/slow" in self.url:
            asyncio.get_running_loop().call_later(SLOW, answer)
        else:
            answer()

    def answer(self, body: bytes, head_only: bool) -> None:
        before, found, after = self.url.partition(b"/status/")
        status = after[:3] if found else b"503" if self.upstream.sick else b"200"
        if b"/once" in before and len(self.upstream.requests) % 2 == 0:
            status = b"200"  # every other time it is well
        lines = b"\r\n".join(
            f"{name}: {value}".encode() for name, value in self.upstream.answers.items()
        )
        head = b"HTTP/1.1 %b Said\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        more = lines + b"\r\n" if lines else b""
        whole = head % (status, len(body)) + more + b"\r\n"
        self.transport.write(whole if head_only else whole + body)

    def upgrade(self) -> None:
        """Switch protocols, and say hello in the new one."""
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-accept: %b\r\n\r\nhello" % _accept(dict(self.headers))
        )


class Upstream:
    """One of them: its port, what it got but for checks, and headers that it adds to answers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.requests: list[dict[str, Any]] = []
        self.answers: dict[str, str] = {}
        self.sick = False  # answers 503, checks too

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def upstreams(*names: str, tls: ssl.SSLContext | None = None) -> Iterator[dict[str, Upstream]]:
    """Upstreams by name, on free ports of the loopback."""
    found = {name: Upstream(name) for name in names}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def listen(upstream: Upstream) -> asyncio.Server:
        server = await loop.create_server(lambda: _Connection(upstream), "127.0.0.1", 0, ssl=tls)
        upstream.port = server.sockets[0].getsockname()[1]
        return server

    async def close(servers: list[asyncio.Server]) -> None:
        for server in servers:
            server.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.sleep(0)

    servers = [
        asyncio.run_coroutine_threadsafe(listen(upstream), loop).result(10)
        for upstream in found.values()
    ]
    try:
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(close(servers), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
