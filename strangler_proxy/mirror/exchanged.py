"""A request and its two answers as the event loop has them, before they are recorded.

Bodies go by; a ``Tap`` on each keeps what the record needs of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from strangler_proxy.errors import Field


class Tap:
    """Listens to a body going by: keeps its beginning, knows its size and digest."""

    __slots__ = ("_hash", "_kept", "_limit", "_pieces", "size")

    def __init__(self, limit: int, key: bytes) -> None:
        self._hash = blake2b(key=key, digest_size=16)
        self._limit = limit
        self._kept = 0
        self._pieces: list[bytes] = []
        self.size = 0

    def feed(self, piece: bytes) -> None:
        """The next bytes, as they were sent."""
        self.size += len(piece)
        self._hash.update(piece)
        if self._kept < self._limit:
            self._pieces.append(piece[: self._limit - self._kept])
            self._kept += len(self._pieces[-1])

    @property
    def content(self) -> bytes:
        """The beginning, or all."""
        return b"".join(self._pieces)

    @property
    def digest(self) -> str:
        """The keyed digest of all."""
        return self._hash.hexdigest()

    @property
    def kept(self) -> int:
        """Bytes of ``content``."""
        return self._kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The request of a pair, as it was sent to both."""

    method: bytes
    target: bytes
    fields: tuple[Field, ...]
    body: Tap | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One answer of a pair; without ``status`` if none came, with ``failure`` if not whole."""

    upstream: str
    seconds: float
    status: int | None = None
    fields: tuple[Field, ...] = ()
    body: Tap | None = None
    failure: str | None = None

    @property
    def digest(self) -> str | None:
        """Of the body; None without one."""
        return self.body.digest if self.body is not None and self.body.size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """A pair as the event loop has it. ``at``: Unix time; ``attempts``: times both were asked."""

    at: float
    route: str
    capability: str | None
    request_id: str
    trace_id: str
    revision: int
    epoch: int
    request: Asked
    primary: Answered
    mirrored: Answered
    attempts: int = 1

    def kept(self) -> int:
        """Bytes of bodies that it holds."""
        bodies = (self.request.body, self.primary.body, self.mirrored.body)
        return sum(body.kept for body in bodies if body is not None)
