"""What an attempt sends: the request as the upstream gets it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from strangler_proxy.wire import chunked
from strangler_proxy.wire.forwarding import forwarded_lines
from strangler_proxy.wire.heads import NOT_FORWARDED, lines

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange


def message(exchange: Exchange) -> tuple[bytes, bool]:
    """What an attempt sends: the head for the upstream, and the body as far as it is here."""
    head = exchange.head
    if exchange.fields is None and exchange.target is None:
        parts = [head.relayed()]
    else:
        fields = head.passing(NOT_FORWARDED) if exchange.fields is None else lines(exchange.fields)
        target = exchange.target or head.target
        parts = [head.method, b" ", target, b" HTTP/1.1\r\n", fields]
    _tell(exchange, parts, b"")
    if exchange.upgrade:
        parts.append(b"Connection: Upgrade\r\nUpgrade: %b\r\n" % exchange.upgrade)
    if head.chunked and not exchange.framed:
        parts.append(b"Transfer-Encoding: chunked\r\n\r\n")
        parts += [chunked.encode(piece) for piece in exchange.body if piece]
        if exchange.ended:
            parts.append(chunked.LAST)
    else:
        parts.append(b"\r\n")
        parts += exchange.body
    if exchange.bytes_in > exchange.way.kept:
        exchange.kept = False
        exchange.body = []
    if not exchange.ended:
        exchange.client.resume()
    return b"".join(parts), exchange.ended


def told(exchange: Exchange, deadline: bytes = b"") -> bytes:
    """What we tell the upstream: the client, trace, request id, deadline, identity.

    ``deadline``: its line, where it is not what is left of this request's time.
    """
    parts: list[bytes] = []
    _tell(exchange, parts, deadline)
    return b"".join(parts)


def _tell(exchange: Exchange, parts: list[bytes], deadline: bytes) -> None:
    """Add that to what is sent, which is joined only once."""
    trace, peer, identity = exchange.trace, exchange.client.peer, exchange.decision.identity
    if not deadline:
        plain = exchange.attempts < 2 and not exchange.held
        deadline = exchange.way.deadline_line if plain else _deadline(exchange)
    parts.append(peer.lines if not peer.trusted else _forwarded(exchange))
    parts.append(deadline)
    parts.append(b"traceparent: ")
    parts.append(trace.traceparent)
    parts.append(b"\r\nX-Request-Id: ")
    parts.append(exchange.request_id)
    parts.append(b"\r\n" if identity is None else b"\r\n" + identity.lines)
    if trace.tracestate is not None:
        parts.append(b"tracestate: %b\r\n" % trace.tracestate)
    if not exchange.head.host:
        parts.append(b"Host: localhost\r\n")  # HTTP/1.0; the upstream speaks HTTP/1.1


def _deadline(exchange: Exchange) -> bytes:
    """What is left of the time, in milliseconds."""
    left = (
        max(0.0, exchange.expires - exchange.proxy.time()) if exchange.expires != math.inf else 0.0
    )
    return b"Ficus-Deadline: %d\r\n" % (left * 1000)


def _forwarded(exchange: Exchange) -> bytes:
    """The client as a trusted proxy saw it, and that proxy."""
    chain = exchange.head.headers.get(b"x-forwarded-for", b"")
    own = exchange.client.peer.address.encode()
    return forwarded_lines(chain + b", " + own if chain else own, secure=exchange.head.secure)
