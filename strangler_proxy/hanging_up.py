"""How a client's connection ends: closed when all is said, drained, or out of patience."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strangler_proxy.errors import Refusal
from strangler_proxy.exchange.request_body import on_broken_body
from strangler_proxy.wire.reads import Reads

if TYPE_CHECKING:
    from strangler_proxy.server import ClientConnection

LINGER: Final = 2.0  # seconds in which what a refused client still sends is read and thrown away
FIRST_WORDS: Final = 1.0  # seconds for the first request of a client when we are ending


def close(client: ClientConnection) -> None:
    """Close when all is written; what the client still sends must not reset its answer."""
    if client.transport.is_closing() or client.reads == Reads.CLOSED:
        return
    if client.reads in (Reads.WAIT, Reads.TUNNEL) and not client.unread:
        client.reads = Reads.CLOSED
        client.transport.close()
        return
    client.reads = Reads.LINGER
    client.unread = b""
    client.resume()
    client.alarm = client.proxy.time() + LINGER
    if client.transport.can_write_eof():
        client.transport.write_eof()


def drain(client: ClientConnection) -> None:
    """Close as soon as no request is under way. One who has just come in may still ask."""
    if client.exchange is None and client.reads == Reads.HEAD and not client.unread:
        if not client.asked:
            client.alarm = min(client.alarm, client.proxy.time() + FIRST_WORDS)
            return
        client.reads = Reads.CLOSED
        client.transport.close()


def on_alarm(client: ClientConnection) -> None:
    """Time is up."""
    client.alarm = 0.0
    if client.stalled or client.reads in (Reads.LINGER, Reads.CLOSED):
        exchange = client.exchange
        client.abort()
        if exchange is not None:
            exchange.on_client_lost()
    elif client.reads == Reads.HEAD:
        if client.unread:
            client.refuse(Refusal(408, "head_timeout", "The head did not come in time."))
        else:
            client.reads = Reads.CLOSED
            client.transport.close()
    elif client.exchange is not None:
        on_broken_body(
            client.exchange,
            Refusal(408, "body_timeout", "The announced body did not come in time."),
        )
    else:
        client.abort()
