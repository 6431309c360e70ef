"""Contract types to bytes and back (msgspec JSON): the one wire format of calls and events.

Dataclasses are encoded as they are: ids and enums as strings, times as RFC 3339, tuples as
arrays. ``decode`` is strict about types and raises ``CodecError`` naming the field.

Decoders are made one at a time. msgspec (0.22) prepares a type when it first meets it, and other
threads that meet the same type meanwhile use what is half prepared: the process dies of a
segmentation fault. A web server's threads all meet the types of its first requests at once. What
is prepared is used without a lock.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()
_preparing = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


class CodecError(ValueError):
    """Bytes that are not what the contract says; the message names the place."""


def encode(value: object) -> bytes:
    """``value`` as JSON."""
    return _encoder.encode(value)


def decode(data: bytes, as_type: type[T]) -> T:
    """``data`` as ``as_type``. Raises CodecError."""
    decoder: msgspec.json.Decoder[T] = decoder_of(as_type)
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise CodecError(f"{getattr(as_type, '__name__', as_type)}: {error}") from error


def decoder_of(as_type: Any) -> msgspec.json.Decoder[Any]:
    """The JSON decoder of ``as_type``, made when it is first asked for."""
    found = _decoders.get(as_type)
    if found is None:
        with _preparing:
            found = _decoders.get(as_type)
            if found is None:
                found = _decoders[as_type] = msgspec.json.Decoder(as_type)
    return found


def convert(value: object, as_type: type[T], *, strict: bool = True) -> T:
    """As ``msgspec.convert``. Raises msgspec.ValidationError."""
    decoder_of(as_type)  # prepares the type
    return msgspec.convert(value, as_type, strict=strict)
