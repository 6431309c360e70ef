"""Which web pages of other origins may read what the front door itself answers."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from strangler_proxy.config.kinds import HeaderName, Origin, Part


class Cors(Part, frozen=True):
    """What answers of our own (problems, fixed answers) say to browsers; an upstream's pass as
    they are, and so do preflights to it."""

    origins: Annotated[tuple[Origin, ...], Meta(min_length=1)]
    credentials: bool = False  # cookies too; pages that send tokens in a header need no such leave
    exposed_headers: tuple[HeaderName, ...] = (
        *("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-Id"),
    )
