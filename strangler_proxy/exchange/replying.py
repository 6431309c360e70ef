"""The upstream's answer, passed on to the client."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from strangler_proxy.decision import SAFE_METHODS
from strangler_proxy.errors import BadAnswer
from strangler_proxy.exchange import second_thoughts
from strangler_proxy.wire import chunked
from strangler_proxy.wire.heads import ResponseHead

if TYPE_CHECKING:
    from strangler_proxy.cache import Cache
    from strangler_proxy.exchange.exchange import Exchange

EVENTS: Final = b"text/event-stream"


def deliver(exchange: Exchange, head: ResponseHead, data: bytes, ended: bool) -> None:
    """The answer as the client may see it: to the cache, and to the client."""
    caching = exchange.caching
    if caching is None or caching.on_answer(head, data, ended):
        reply(exchange, head, data, ended)


def reply(exchange: Exchange, head: ResponseHead, data: bytes, ended: bool) -> None:
    """Pass the answer on."""
    limit = exchange.way.response_bytes
    if head.length > limit or len(data) > limit:
        exchange.asked.cancel(failed=None)
        second_thoughts.give_up(exchange, BadAnswer("an answer over the route's limit"))
        return
    exchange.answering = True
    exchange.status = head.status
    exchange.bytes_out = len(data)
    out = [head.relayed(), exchange.extra]
    if b"x-request-id" not in head.headers:
        out += (b"X-Request-Id: ", exchange.request_id, b"\r\n")
    out.append(_framing(exchange, head, data, ended))
    if data:
        out.append(chunked.encode(data) if exchange.chunked_out else data)
    if exchange.proxy.cache is not None:
        _invalidate(exchange, exchange.proxy.cache, head)
    if ended:
        if exchange.chunked_out:
            out.append(chunked.LAST)
        exchange.client.write(b"".join(out))
        exchange.finish()
        return
    exchange.client.write(b"".join(out))
    if head.headers.get(b"content-type", b"").startswith(EVENTS):
        exchange.expires = math.inf


def _invalidate(exchange: Exchange, cache: Cache, head: ResponseHead) -> None:
    """What is stored of a thing that this request has changed is good no more."""
    asked = exchange.head
    if asked.method not in SAFE_METHODS:
        cache.invalidate(asked, head.status, head.headers, exchange.proxy.wall())


def _framing(exchange: Exchange, head: ResponseHead, data: bytes, ended: bool) -> bytes:
    """The last lines of the answer's head: how long it is, and whether the client may go on."""
    asked = exchange.head
    plain = head.length >= 0 and exchange.ended and asked.keep_alive and asked.minor
    if plain and exchange.keep_alive and not exchange.proxy.draining:
        return b"\r\n"
    framing = b""
    if head.length < 0 and asked.method != b"HEAD" and head.status not in (204, 304):
        if ended:
            framing = b"Content-Length: %d\r\n" % len(data)
        elif asked.minor:
            exchange.chunked_out = True
            framing = b"Transfer-Encoding: chunked\r\n"
        else:
            exchange.keep_alive = False
    if not exchange.goes_on():
        return framing + b"Connection: close\r\n\r\n"
    if not asked.minor:
        framing += b"Connection: keep-alive\r\n"
    return framing + b"\r\n"


def pass_on(exchange: Exchange, data: bytes, ended: bool) -> None:
    """To the client."""
    if data:
        exchange.bytes_out += len(data)
        if exchange.bytes_out > exchange.way.response_bytes:
            exchange.cut("response_too_large")
            return
        if exchange.chunked_out:
            data = chunked.encode(data)
    if exchange.expires != math.inf:  # the deadline was for the head; now it is for each step
        exchange.expires = exchange.proxy.time() + exchange.way.deadline
    if ended and exchange.chunked_out:
        data += chunked.LAST
    if data:
        exchange.client.write(data)
    if ended:
        exchange.finish()
