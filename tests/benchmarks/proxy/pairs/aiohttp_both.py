"""aiohttp on both sides, on uvloop."""

from __future__ import annotations

import asyncio
import os

import aiohttp
import uvloop
from aiohttp import web

UPSTREAM = f"http://{os.environ['UPSTREAM']}"
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}


async def serve() -> None:
    """Until the process is asked to end."""
    connector = aiohttp.TCPConnector(limit=512, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def pass_on(request: web.BaseRequest) -> web.Response:
            headers = [(n, v) for n, v in request.headers.items() if n.lower() not in HOP_BY_HOP]
            async with session.request(
                request.method,
                f"{UPSTREAM}{request.rel_url}",
                headers=headers,
                data=await request.read() if request.can_read_body else None,
                allow_redirects=False,
            ) as answer:
                kept = [(n, v) for n, v in answer.headers.items() if n.lower() not in HOP_BY_HOP]
                return web.Response(
                    status=answer.status,
                    headers=kept,
                    body=await answer.read(),
                )

        runner = web.ServerRunner(web.Server(pass_on, access_log=None))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"]), backlog=4096)
        await site.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve())
