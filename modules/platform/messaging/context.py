"""The envelope of the event being handled, and headers from and to the ambient context."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec

from modules.platform.contracts import SYSTEM, CallContext, Envelope, call_context, current_context
from modules.platform.contracts.codec import decoder_of

_envelope: ContextVar[Envelope | None] = ContextVar("ficus_envelope", default=None)


def current_envelope() -> Envelope | None:
    """The envelope of the event being handled; None outside a handler."""
    return _envelope.get()


@contextmanager
def on_behalf_of(envelope: Envelope) -> Iterator[None]:
    """Serve as the system, on behalf of the event's cause."""
    context = CallContext(
        actor=SYSTEM,
        traceparent=envelope.traceparent,
        correlation_id=envelope.correlation_id,
        causation_id=str(envelope.id),
        asker=envelope.asker,
    )
    token = _envelope.set(envelope)
    try:
        with call_context(context):
            yield
    finally:
        _envelope.reset(token)


class Headers(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored beside an event or a timer to continue its story."""

    traceparent: str | None = None
    correlation: str | None = None
    causation: str | None = None
    asker: str | None = None


_NONE = Headers()


def headers_now() -> str | None:
    """The present context as stored headers; None when there is nothing to tell."""
    context = current_context()
    headers = Headers(
        traceparent=context.traceparent,
        correlation=context.correlation_id or context.request_id,
        causation=context.causation_id,
        asker=context.asker,
    )
    return None if headers == _NONE else msgspec.json.encode(headers).decode()


def read_headers(text: str | None) -> Headers:
    """Stored headers, empty ones for None."""
    return _NONE if text is None else decoder_of(Headers).decode(text)
