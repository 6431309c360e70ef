"""Copies of requests, and the pairs of answers that are kept."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from strangler_proxy.config.kinds import (
    Count,
    HeaderName,
    Method,
    Name,
    Part,
    Percent,
    Seconds,
    Size,
)


class Mirror(Part, frozen=True):
    """Sends a detached copy and throws its answer away, or records the pair for comparison."""

    upstream: Name
    percent: Percent = 100
    methods: Annotated[tuple[Method, ...], Meta(min_length=1)] = ("GET", "HEAD")
    concurrent: Count = 16  # copies under way; more are dropped and counted
    deadline_seconds: Seconds = 5.0
    body_bytes: Size = 65_536  # larger bodies are not mirrored
    record: bool = False
    # 0: never. Recorded GET and HEAD whose answers differ are asked again after this time, of both.
    confirm_seconds: Annotated[float, Meta(ge=0, le=60)] = 0.0


class Recording(Part, frozen=True):
    """Recorded pairs, in the folder ``pairs`` of ``state``; when there are too many, the oldest go.

    Credentials and cookies are always hidden, as are passwords and tokens in queries and JSON.
    """

    file_bytes: Annotated[int, Meta(ge=65_536, le=1 << 30)] = 16_777_216
    files: Annotated[int, Meta(ge=2, le=10_000)] = 16  # of one route
    total_bytes: Annotated[int, Meta(ge=65_536, le=1 << 40)] = 268_435_456
    body_bytes: Size = 65_536  # of one body; the rest is known by its digest
    queue: Count = 1024  # pairs that wait for the disk; more are dropped and counted
    hidden_headers: tuple[HeaderName, ...] = ()
    hidden_members: tuple[str, ...] = ()  # of JSON bodies, forms and queries
