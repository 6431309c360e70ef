"""Starlette as the server, httpx as the client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

UPSTREAM = f"http://{os.environ['UPSTREAM']}"
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
LENGTHS = {"content-length", "content-encoding"}  # httpx decodes; Starlette counts

_clients: list[httpx.AsyncClient] = []


@asynccontextmanager
async def _client(app: Starlette) -> AsyncIterator[None]:
    limits = httpx.Limits(max_connections=512, max_keepalive_connections=512)
    async with httpx.AsyncClient(limits=limits, trust_env=False, timeout=30.0) as client:
        _clients.append(client)
        yield


async def pass_on(request: Request) -> Response:
    """Asks the upstream and answers with what it says."""
    url = f"{UPSTREAM}{request.url.path}"
    if request.url.query:
        url += f"?{request.url.query}"
    answer = await _clients[0].request(
        request.method,
        url,
        content=await request.body(),
        headers=[(n, v) for n, v in request.headers.items() if n not in HOP_BY_HOP],
    )
    skipped = HOP_BY_HOP | LENGTHS
    kept = {name: value for name, value in answer.headers.items() if name not in skipped}
    return Response(answer.content, answer.status_code, kept)


app = Starlette(routes=[Route("/api/{rest:path}", pass_on, methods=["GET", "POST"])])
app.router.lifespan_context = _client
