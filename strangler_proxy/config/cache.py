"""Which answers are stored."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from strangler_proxy.config.kinds import Part, Size


class Cache(Part, frozen=True):
    """Opt-in shared response cache by RFC 9111, in the memory of this process.

    Answers to requests with credentials are stored only when they say that all may see them.
    """

    default_seconds: Annotated[float, Meta(ge=0)] = 0.0  # for answers that say nothing
    stale_if_error_seconds: Annotated[float, Meta(ge=0)] = 0.0  # unless the answer says it
    collapse_seconds: Annotated[float, Meta(ge=0)] = 5.0  # waiting for another's same request
    body_bytes: Size = 262_144
    cookies: bool = False  # also store answers that set cookies: everybody gets the same ones
    status_header: bool = False  # Cache-Status, RFC 9211
