"""A front door that stops closes what nobody waits for any more: copies that are under way."""

from __future__ import annotations

import asyncio
import socket
import time

import uvloop

from strangler_proxy.app import Proxy
from strangler_proxy.table import load_table
from tests.ports import free_port
from tests.proxy.origin import Got, Step, ok, origin

DOCUMENT = """
version: 1
listen: [{{address: "127.0.0.1:{port}"}}]
upstreams:
  up: {{instances: [{{address: "{up}"}}]}}
  slow: {{instances: [{{address: "{slow}"}}]}}
routes:
  - {{name: copied, prefix: /, upstream: up, authentication: none, mirror: {{upstream: slow}}}}
"""
LATE = 30.0  # seconds until the copy would be answered


def respond_late(got: Got) -> list[Step]:
    """The head, and then nothing for a long time."""
    return [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", LATE, b"hello"]


async def serve_and_stop(text: str, port: int) -> tuple[int, int]:
    """Connections of the copy before and after the stop."""
    proxy = Proxy()
    table = load_table(text)
    proxy.apply(table)
    await proxy.serve(table.document.listen)
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert (await loop.sock_recv(client, 65536)).startswith(b"HTTP/1.1 200")
    [member] = proxy.state.upstreams["slow"].balancer.members
    until = time.monotonic() + 10
    while (member.pool is None or not member.pool.open) and time.monotonic() < until:
        await asyncio.sleep(0.01)
    pool = member.pool
    before = pool.open
    await proxy.stop()
    await asyncio.sleep(0.01)
    return before, pool.open


def test_a_copy_under_way_is_closed_at_the_end() -> None:
    """Its answer would come while the loop closes, which may then wait for ever."""
    with origin(lambda got: ok()) as up, origin(respond_late) as slow:
        port = free_port()
        text = DOCUMENT.format(port=port, up=up.address, slow=slow.address)
        assert uvloop.run(serve_and_stop(text, port)) == (1, 0)
