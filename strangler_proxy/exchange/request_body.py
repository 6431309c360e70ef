"""A request's body as it comes: kept, counted, passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strangler_proxy.attempt import Attempt
from strangler_proxy.errors import Refusal
from strangler_proxy.exchange import detours
from strangler_proxy.exchange.own_answers import refuse
from strangler_proxy.exchange.way import Way
from strangler_proxy.wire import chunked

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange

AHEAD: Final = 65_536  # bytes that wait for a connection before the client is paused


def on_body(exchange: Exchange, data: bytes, ended: bool) -> None:
    """More of the request's body (or of what flows through the tunnel)."""
    if exchange.over:
        return
    attempt = exchange.attempt
    exchange.bytes_in += len(data)
    if exchange.status == 101 and attempt is not None:
        attempt.send_more(data, ended)
        return
    exchange.ended = ended
    if exchange.bytes_in > exchange.way.request_bytes:
        on_broken_body(exchange, too_large(exchange.way))
        return
    if attempt is not None and attempt.connection is not None and not attempt.over:
        _send_more(exchange, attempt, data, ended)
        return
    exchange.body.append(data)
    if exchange.steps is not None and detours.on_body(exchange):
        return
    if exchange.bytes_in > max(AHEAD, exchange.way.kept):
        exchange.client.pause()


def _send_more(exchange: Exchange, attempt: Attempt, data: bytes, ended: bool) -> None:
    if exchange.kept:
        exchange.body.append(data)
        if exchange.bytes_in > exchange.way.kept:
            exchange.kept = False
            exchange.body = []
    if exchange.head.chunked:
        data = (chunked.encode(data) if data else b"") + (chunked.LAST if ended else b"")
    attempt.send_more(data, ended)


def on_broken_body(exchange: Exchange, refusal: Refusal) -> None:
    """The body cannot be read to its end."""
    if exchange.over:
        exchange.client.close()
        return
    if exchange.attempt is not None:
        exchange.attempt.cancel()
    if exchange.answering:
        exchange.cut(refusal.code)
    else:
        exchange.keep_alive = False
        refuse(exchange, refusal)


def too_large(way: Way) -> Refusal:
    """413."""
    detail = f"At most {way.request_bytes} bytes are taken here."
    return Refusal(413, "too_large", detail)
