"""A plain ASGI application for uvicorn or granian, with aiohttp as the client."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

UPSTREAM = f"http://{os.environ['UPSTREAM']}"
HOP_BY_HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_sessions: list[aiohttp.ClientSession] = []


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Asks the upstream and answers with what it says."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    target = scope["raw_path"].decode()
    if scope["query_string"]:
        target += f"?{scope['query_string'].decode()}"
    headers = [(n.decode(), v.decode()) for n, v in scope["headers"] if n not in HOP_BY_HOP]
    async with _sessions[0].request(
        scope["method"],
        f"{UPSTREAM}{target}",
        headers=headers,
        data=await _body(receive) or None,
        allow_redirects=False,
    ) as answer:
        kept = [(n.lower(), v) for n, v in answer.raw_headers if n.lower() not in HOP_BY_HOP]
        await send({"type": "http.response.start", "status": answer.status, "headers": kept})
        await send({"type": "http.response.body", "body": await answer.read()})


async def _body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        more: bytes = message.get("body", b"")
        body += more
        if not message.get("more_body"):
            return body


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    connector = aiohttp.TCPConnector(limit=512, keepalive_timeout=60)
    _sessions.append(aiohttp.ClientSession(connector=connector, auto_decompress=False))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _sessions.pop().close()
    await send({"type": "lifespan.shutdown.complete"})
