"""A request as the access log takes it, and the members of its line.

Apart from ``log_line``, which may be compiled: msgspec reads these classes' annotations.
"""

from __future__ import annotations

from msgspec import Struct

Record = tuple[
    float,  # ts, unix seconds
    bytes,  # method
    bytes,  # path, as sent, without "?"
    int,  # query, bytes
    str,  # route
    str,  # upstream
    str,  # instance, its address
    str,  # side
    str,  # phase
    int,  # status
    float,  # seconds
    int,  # bytes in
    int,  # bytes out
    str,  # request id
    str,  # trace id
    str,  # subject
    str,  # address of the client
    int,  # attempts
    str,  # code
    str,  # cache
    float,  # held, seconds
]


class Line(Struct, omit_defaults=True, gc=False):
    """A line as it is written; in the order of ``Record`` where nothing is left out."""

    ts: str
    method: str
    path: str
    query: int = 0
    route: str = ""
    upstream: str = ""
    instance: str = ""
    side: str = ""
    phase: str = ""
    status: int = 0
    ms: float = -1.0
    bytes_in: int = -1
    bytes_out: int = -1
    request_id: str = ""
    trace_id: str = ""
    subject: str = ""
    address: str = ""
    attempts: int = 1
    code: str = ""
    cache: str = ""
    held_ms: float | None = None


class Lost(Struct, tag_field="event", tag="access_log.lines_lost"):
    """Stands in the log where lines are missing."""

    ts: str
    lines: int
