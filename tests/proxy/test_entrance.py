"""Who waits at a door that is about to be closed is taken in first."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from strangler_proxy.entrance import Entrance

PATIENCE = 20.0  # seconds for what a test waits for
CROWD = 40


class Echo(asyncio.Protocol):
    """Says what it hears."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("kind", ["tcp", "tls", "unix"])
def test_all_who_wait_are_taken_in_before_an_entrance_is_closed(
    kind: str, run: Callable[[Any], Any], tmp_path: Path
) -> None:
    """Those the loop has seen and those it has not; after that, nobody gets in."""
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusts = ssl.create_default_context()
    authority.configure_trust(trusts)
    address = f"unix:{tmp_path}/s" if kind == "unix" else "127.0.0.1:0"

    async def main() -> None:
        entrance = Entrance(address, 4 * CROWD, served if kind == "tls" else None, Echo)
        await entrance.open()
        name = entrance.sockets()[0].getsockname()
        with ExitStack() as stack:
            clients = [stack.enter_context(_client(name)) for _ in range(CROWD)]
            await asyncio.sleep(0)
            clients += [stack.enter_context(_client(name)) for _ in range(CROWD)]
            await entrance.leave()
            assert entrance.sockets() == []
            with pytest.raises(OSError, match="refused"):
                _client(name)
            context = trusts if kind == "tls" else None
            async with asyncio.timeout(PATIENCE):
                heard = await asyncio.gather(*(_ask(client, context) for client in clients))
        assert heard == [b"?"] * (2 * CROWD)
        await entrance.leave()  # changes nothing
        entrance.stop()

    run(main())


def _client(name: Any) -> socket.socket:
    client = socket.socket(socket.AF_UNIX if isinstance(name, str) else socket.AF_INET)
    try:
        client.connect(name)
    except OSError:
        client.close()
        raise
    client.setblocking(False)
    return client


async def _ask(client: socket.socket, context: ssl.SSLContext | None) -> bytes:
    host = "127.0.0.1" if context else None
    reader, writer = await asyncio.open_connection(sock=client, ssl=context, server_hostname=host)
    writer.write(b"?")
    heard = await reader.readexactly(1)
    writer.close()
    await writer.wait_closed()
    return heard


def test_who_breaks_off_while_being_taken_in_disturbs_nobody() -> None:
    """A client of TLS that goes without a word is no longer arriving."""
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(served)

    async def main() -> None:
        entrance = Entrance("127.0.0.1:0", CROWD, served, Echo)
        await entrance.open()
        client = _client(entrance.sockets()[0].getsockname())
        queued = [_client(entrance.sockets()[0].getsockname()) for _ in range(9)]
        await entrance.leave()
        assert entrance.arriving
        for one in (client, *queued):
            one.close()
        async with asyncio.timeout(PATIENCE):
            while entrance.arriving:
                await asyncio.sleep(0.01)
        entrance.stop()

    asyncio.run(main())
