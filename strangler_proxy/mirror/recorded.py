"""Recorded pairs: what a capability's authority answered, and what its successor would have.

The front door writes them (``recording``), the control plane reads and compares them. In the
folder of a route lie files of JSON lines whose names sort by age; a line is a pair. Version 1:

    {
      "version": 1,
      "at": "2026-03-01T12:00:00.250000Z",
      "route": "catalog",
      "capability": "catalog",
      "request_id": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
      "trace_id": "0af7651916cd43dd8448eb211c80319c",
      "revision": 7,
      "epoch": 3,
      "attempts": 1,
      "request": {
        "method": "GET",
        "target": "/api/v1/products/1?token=hidden:1d2b9b3f3f5e4a0c9a7b6c5d",
        "headers": [["Authorization", "Bearer hidden:0c3e9f1a2b4d5e6f70819aab"]],
        "body": null
      },
      "primary": {
        "upstream": "monolith",
        "status": 200,
        "headers": [["Content-Type", "application/json"]],
        "body": {"bytes": 8, "digest": "9f86d081884c7d659a2feaa0c55ad015", "text": "{\\"id\\":1}"},
        "seconds": 0.012,
        "failure": null
      },
      "mirrored": {
        "upstream": "catalog",
        "status": null,
        "headers": [],
        "body": null,
        "seconds": 1.0,
        "failure": "upstream_timeout"
      }
    }

``bytes`` and ``digest`` are of the whole body as it was sent; the digest is keyed, so it compares
only within a pair. The content is ``text`` if it is UTF-8 (gzip undone), else ``base64``; it has
neither if it is coded otherwise. ``cut`` says that it is only the beginning. ``hidden:`` stands
for what nobody is to read (``redaction``). ``attempts`` is how often both were asked; these are
their last answers. Who reads must not mind members added later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from strangler_proxy.errors import ProxyError

VERSION = 1
SUFFIX = ".jsonl"
_ROUTE = re.compile(r"[a-z][a-z0-9_-]{0,63}").fullmatch


class RecordingUnreadable(ProxyError):
    """A line that is not a pair of this version, or a name that is no route's."""


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A body, whole or its beginning."""

    bytes: int
    digest: str
    text: str | None = None
    base64: str | None = None
    cut: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, of both."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: Body | None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one of them answered after ``seconds``; ``failure`` is the code if none came whole."""

    upstream: str
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: Body | None
    seconds: float
    failure: str | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its two answers."""

    version: int
    at: datetime
    route: str
    capability: str | None
    request_id: str
    trace_id: str
    revision: int
    epoch: int
    attempts: int = 1
    request: Request
    primary: Answer
    mirrored: Answer


class _Versioned(msgspec.Struct):
    version: int


_PAIR = msgspec.json.Decoder(Pair)
_VERSIONED = msgspec.json.Decoder(_Versioned)


def read_pairs(folder: Path, route: str) -> Iterator[Pair]:
    """The pairs of a route, oldest file first; none if nothing was recorded.

    It may run while the front door writes: a line without its end is not read yet, a file that
    goes away is over. Raises RecordingUnreadable naming file and line.
    """
    if not _ROUTE(route):
        raise RecordingUnreadable(f"{route!r} is not the name of a route")
    for path in sorted((folder / route).glob(f"*{SUFFIX}")):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n"):
                    yield _pair(line, f"{path}, line {number}")


def _pair(line: bytes, place: str) -> Pair:
    try:
        version = _VERSIONED.decode(line).version
        if version == VERSION:
            return _PAIR.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RecordingUnreadable(f"{place}: {error}") from error
    raise RecordingUnreadable(f"{place}: version {version}; this program reads {VERSION}")
