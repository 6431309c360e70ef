"""Who signs access tokens, and what a route asks of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from strangler_proxy.config.kinds import Count, HeaderName, Part, Seconds


class Demand(StrEnum):
    """What a route asks of the caller's credentials."""

    REQUIRED = "required"
    OPTIONAL = "optional"  # none is fine; wrong ones are refused
    NONE = "none"  # not looked at


class Keys(Part, frozen=True):
    """Published keys (a JWKS): from an URL or a file, read again every ``refresh_seconds``."""

    url: str | None = None
    file: str | None = None
    refresh_seconds: Seconds = 300.0


class Authentication(Part, frozen=True):
    """Who signs access tokens and which claims they must have."""

    keys: Keys
    issuer: str
    audience: str
    algorithms: tuple[Literal["EdDSA", "ES256", "RS256"], ...] = ("EdDSA",)
    leeway_seconds: Annotated[float, Meta(ge=0, le=300)] = 5.0
    token_type: str | None = "at+jwt"  # noqa: S105 - what ``typ`` must say, RFC 9068; null: not looked at
    # Headers whose bearer the upstream verifies itself: API keys, guests' cart tokens. With
    # Authorization among them, a Bearer that is no JWT is one; Basic and the like never are.
    opaque_headers: tuple[HeaderName, ...] = ()
    # Staff may choose the side by Ficus-Route: who has this word in this claim.
    staff_claim: str = "kind"
    staff_word: str = "staff"
    remembered_tokens: Count = 10_000
    # Of one address, with a bad signature; then what is not known yet is refused unread (429).
    bad_tokens_per_minute: Count = 100
