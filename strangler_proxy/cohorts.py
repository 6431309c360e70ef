"""Which clients of a canary the service answers: a key that stays with the client, hashed.

XXH64 with seed 0 over the plain text of the key, modulo 100, and the last ``percent`` buckets go
to the service. So whoever is in stays in while the percentage grows, and Envoy and HAProxy, given
the same key, agree on every client.
"""

from __future__ import annotations

from typing import Final, Protocol

import xxhash

BUCKETS: Final = 100


def bucket_of(key: bytes) -> int:
    """0 to 99."""
    return int(xxhash.xxh64_intdigest(key)) % BUCKETS


def is_in(bucket: int, percent: int) -> bool:
    """Whether the service answers this bucket. No key (-1): only when it answers everybody."""
    return bucket >= BUCKETS - percent if bucket >= 0 else percent == BUCKETS


class Asked(Protocol):
    """Of a request, what a key may be taken from."""

    headers: dict[bytes, bytes]
    address: str


class Known(Protocol):
    """Of an identity."""

    @property
    def subject(self) -> str: ...


class KeySource:
    """One entry of a route's ``sticky``, ready for use."""

    __slots__ = ("kind", "name", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.kind, _, name = text.partition(":")
        self.name = name.encode() if self.kind == "cookie" else name.lower().encode()

    def key(self, request: Asked, identity: Known | None) -> bytes:
        """The key's bytes; empty if the request does not have it."""
        if self.kind == "identity":
            return identity.subject.encode() if identity is not None else b""
        if self.kind == "header":
            return request.headers.get(self.name, b"")
        if self.kind == "cookie":
            return cookie(request.headers.get(b"cookie", b""), self.name)
        return request.address.encode()


def cookie(header: bytes, name: bytes) -> bytes:
    """The value of the first cookie of that name, without its quotes; empty if there is none."""
    for pair in header.split(b";"):
        found, _, value = pair.partition(b"=")
        if found.strip() == name:
            value = value.strip()
            quoted = len(value) > 1 and value.startswith(b'"') and value.endswith(b'"')
            return value[1:-1] if quoted else value
    return b""
