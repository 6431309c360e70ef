"""Reads the pairs that a front door records: JSON lines below ``<state>/pairs/<route>/``.

The format is the front door's (docs/proxy.md, *Mirroring*); what is not needed here is not read.
A file grows while it is read, and goes away when the front door needs the room.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import structlog

log = structlog.get_logger(__name__)

VERSION = 1
SUFFIX = ".jsonl"


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A body, whole or its beginning; ``digest`` is of what was sent, compressed or not."""

    bytes: int
    digest: str
    text: str | None = None
    base64: str | None = None
    cut: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What both were asked."""

    method: str
    target: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one of them answered; ``failure`` is a code where it did not come whole."""

    upstream: str
    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    failure: str | None = None

    def header(self, name: str) -> str | None:
        """All values of a header in one line; None when it has none."""
        found = [value for one, value in self.headers if one.lower() == name]
        return ", ".join(found) if found else None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One request with its two answers, the last of so many ``attempts``."""

    version: int
    at: datetime
    route: str
    request_id: str
    request: Request
    primary: Answer
    mirrored: Answer
    capability: str | None = None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """A pair, or None where the line is none, and where the next line begins."""

    pair: Pair | None
    end: int


_PAIR = msgspec.json.Decoder(Pair)


def files_of(folder: Path, routes: frozenset[str]) -> tuple[Path, ...]:
    """The files of these routes, oldest first."""
    found = (path for route in routes for path in (folder / route).glob(f"*{SUFFIX}"))
    return tuple(sorted(found, key=lambda path: (path.name, path.parent.name)))


def read_lines(path: Path, offset: int, most: int) -> Iterator[Line]:
    """At most so many lines from ``offset`` on; a line without its end is not read yet."""
    try:
        file = path.open("rb")
    except FileNotFoundError:  # the front door needed the room
        return
    with file:
        file.seek(offset)
        for _ in range(most):
            line = file.readline()
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield Line(_pair(line, path), offset)


def _pair(line: bytes, path: Path) -> Pair | None:
    try:
        pair = _PAIR.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("extraction.pair_unreadable", file=str(path), error=str(error))
        return None
    return pair if pair.version == VERSION else None
