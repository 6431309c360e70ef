"""What the front door answers by itself: problems, fixed answers, stored ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strangler_proxy.errors import Field, Refusal
from strangler_proxy.metrics import Event
from strangler_proxy.wire.answers import answer, problem_answer, status_line
from strangler_proxy.wire.cross_origin import ALLOW

if TYPE_CHECKING:
    from strangler_proxy.exchange.exchange import Exchange


def refuse(exchange: Exchange, refusal: Refusal) -> None:
    """Answer with a problem."""
    exchange.code = refusal.code
    exchange.proxy.metrics.count(Event.REFUSED, refusal.code)
    more = _own_lines(exchange) + _cross_origin(exchange)
    request_id, head_only = exchange.request_id.decode(), exchange.head.method == b"HEAD"
    said = problem_answer(refusal, request_id, more=more, head_only=head_only)
    _answer_at_once(exchange, refusal.status, said)


def respond(exchange: Exchange, status: int, fields: tuple[Field, ...], body: bytes) -> None:
    """Answer from here."""
    head_only = exchange.head.method == b"HEAD"
    exchange.bytes_out = 0 if head_only else len(body)
    more = _own_lines(exchange)
    if not any(name.lower() == ALLOW for name, _ in fields):  # it says so by itself
        more += _cross_origin(exchange)
    said = answer(status, fields, body, more=more, head_only=head_only)
    _answer_at_once(exchange, status, said)


def respond_stored(exchange: Exchange, status: int, fields: bytes, body: bytes) -> None:
    """Answer with fields that are lines already and say how long the body is."""
    exchange.bytes_out = len(body)
    head = status_line(status) + fields + _own_lines(exchange) + b"\r\n"
    _answer_at_once(exchange, status, head + body)


def _answer_at_once(exchange: Exchange, status: int, data: bytes) -> None:
    exchange.status = status
    exchange.answering = True
    exchange.client.write(data)
    exchange.finish()


def _own_lines(exchange: Exchange) -> bytes:
    """What every answer of ours says."""
    own = b"%bX-Request-Id: %b\r\n" % (exchange.extra, exchange.request_id)
    if not exchange.goes_on():
        return own + b"Connection: close\r\n"
    return own if exchange.head.minor else own + b"Connection: keep-alive\r\n"


def _cross_origin(exchange: Exchange) -> bytes:
    """What lets a page of another origin read it, if the document says so."""
    cors = exchange.state.cors
    return cors.lines(exchange.head.headers.get(b"origin")) if cors is not None else b""
