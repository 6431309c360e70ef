"""What a request leaves behind: nothing that only the garbage collector could find.

The front door runs with collections far apart, because each one stops the loop.
"""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Iterable

import pytest
import uvloop

from strangler_proxy.app import Proxy
from strangler_proxy.table import load_table
from tests.ports import free_port
from tests.proxy.origin import Got, Step, ok, origin

DOCUMENT = """
version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
rate_limits: {{each: {{requests: 1000000, seconds: 1}}}}
upstreams:
  monolith: {{instances: [{{address: "{upstream}"}}], breaker: {{}}, outliers: {{}}}}
  service: {{instances: [{{address: "{upstream}"}}], breaker: {{}}, outliers: {{}}}}
  nobody: {{instances: [{{address: "127.0.0.1:{closed}"}}]}}
capabilities: {{payment: {{monolith: monolith, service: service, phase: canary, percent: 25}}}}
routes:
  - {{name: payment, prefix: /payment, capability: payment, authentication: none,
     rate_limits: [each]}}
  - {{name: changed, prefix: /changed, upstream: monolith, authentication: none,
     response: {{headers: {{set: {{x-a: "1"}}}}}}}}
  - {{name: cached, prefix: /cached, upstream: monolith, authentication: none,
     cache: {{default_seconds: 60}}}}
  - {{name: nobody, prefix: /nobody, upstream: nobody, authentication: none}}
"""
GET = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
SOME = 100
REQUESTS = {
    "plain": (GET % b"/payment/1", 1000),
    "with-a-body": (POST % b"/payment/1", SOME),
    "answered-in-pieces": (GET % b"/payment/pieces", SOME),
    "tried-again": (GET % b"/payment/sometimes", SOME),
    "rewritten": (GET % b"/changed", SOME),
    "from-the-cache": (GET % b"/cached", SOME),
    "no-route": (GET % b"/elsewhere", SOME),
    "nobody-there": (GET % b"/nobody", SOME),
}


def respond(request: Got) -> bytes | Iterable[Step]:
    """Whole, in pieces, or only every second time."""
    if request.target.endswith("pieces"):
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        return (head, 0.001, b"2\r\nok\r\n", 0.001, b"0\r\n\r\n")
    if request.target.endswith("sometimes") and request.number % 2:
        return ok(status="503 Busy")
    return ok()


def left_behind(request: bytes, count: int) -> Counter[str]:
    """The classes of what a collection finds after ``count`` requests on one connection."""
    with origin(respond) as upstream, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = free_port()
        text = DOCUMENT.format(port=port, upstream=upstream.address, closed=closed.getsockname()[1])
        return uvloop.run(_serve_and_look(text, port, request, count))


async def _serve_and_look(text: str, port: int, request: bytes, count: int) -> Counter[str]:
    table = load_table(text)
    proxy = Proxy()
    proxy.apply(table)
    await proxy.serve(table.document.listen)
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        await _ask(loop, client, request, 5)  # what is made once
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await _ask(loop, client, request, count)
            gc.collect()
            return Counter(f"{type(one).__module__}.{type(one).__name__}" for one in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
            await proxy.stop()


async def _ask(
    loop: asyncio.AbstractEventLoop, client: socket.socket, request: bytes, count: int
) -> None:
    for _ in range(count):
        await loop.sock_sendall(client, request)
        answer = await loop.sock_recv(client, 65536)
        assert answer.startswith(b"HTTP/1.1 ")
        while b"chunked" in answer and not answer.endswith(b"0\r\n\r\n"):
            answer += await loop.sock_recv(client, 65536)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_leaves_nothing_to_collect(name: str) -> None:
    """Requests of all kinds are gone when they are over."""
    request, count = REQUESTS[name]
    found = left_behind(request, count)
    assert found.total() < count / 10, found.most_common(20)
