"""As much of an HTTP/1.1 server as the stand-in needs, on asyncio: keep-alive, Content-Length."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 404: "Not Found"}
HEAD_END = b"\r\n\r\n"
MAX_REQUEST = 1_000_000  # bytes


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; ``body`` is bytes (HTML) or what becomes JSON."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class NoResponse:
    """No answer at all: the connection is reset after ``hold`` seconds."""

    hold: float = 0.0


Handler = Callable[[Request], Awaitable[Response | NoResponse]]


class Connection(asyncio.Protocol):
    """One client's connection: its requests one after the other."""

    def __init__(self, handle: Handler) -> None:
        self._handle = handle
        self._received = b""
        self._serving: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) > MAX_REQUEST:
            self._transport.abort()
        elif self._serving is None:
            self._next()

    def _next(self) -> None:
        try:
            request = self._take()
        except ValueError:
            self._transport.abort()
            return
        if request is not None:
            self._serving = asyncio.create_task(self._serve(request))

    def _take(self) -> Request | None:
        """The next whole request in what was received; None while it is not whole."""
        head, end, rest = self._received.partition(HEAD_END)
        if not end:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(_header(line) for line in lines)
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        return Request(method, path, dict(parse_qsl(query)), headers, rest[:length])

    async def _serve(self, request: Request) -> None:
        answer = await self._handle(request)
        if isinstance(answer, NoResponse):
            await asyncio.sleep(answer.hold)
            self._reset()
            return
        if not self._transport.is_closing():
            self._transport.write(_encoded(answer))
        self._serving = None
        if self._received:
            self._next()

    def _reset(self) -> None:
        raw = self._transport.get_extra_info("socket")
        if raw is not None and not self._transport.is_closing():
            # Linger of zero seconds: the client sees a reset, not an orderly end.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _header(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _encoded(answer: Response) -> bytes:
    is_page = isinstance(answer.body, bytes)
    body = answer.body if is_page else json.dumps(answer.body, separators=(",", ":")).encode()
    kind = "text/html; charset=utf-8" if is_page else "application/json"
    head = (
        f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Answer')}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def listen(handle: Handler, *, host: str, port: int) -> asyncio.Server:
    """A server on ``host:port`` (0: a free port)."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: Connection(handle), host, port, backlog=512)
