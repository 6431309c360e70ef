"""Contract types to bytes and back (msgspec JSON): the one wire format of calls and events.

Dataclasses are encoded as they are: ids and enums as strings, times as RFC 3339, tuples as
arrays. ``decode`` is strict about types and raises ``CodecError`` naming the field.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder()


class CodecError(ValueError):
    """Bytes that are not what the contract says; the message names the place."""


def encode(value: object) -> bytes:
    """``value`` as JSON."""
    return _encoder.encode(value)


def decode(data: bytes, as_type: type[T]) -> T:
    """``data`` as ``as_type``. Raises CodecError."""
    decoder: msgspec.json.Decoder[T] = _decoder(as_type)  # type: ignore[arg-type]
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise CodecError(f"{getattr(as_type, '__name__', as_type)}: {error}") from error


@lru_cache(maxsize=1024)
def _decoder(as_type: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(as_type)
