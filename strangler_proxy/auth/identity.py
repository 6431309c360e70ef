"""Who asks, and how a request is refused that cannot say it (RFC 6750)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from strangler_proxy.cohorts import bucket_of
from strangler_proxy.errors import Refusal

MAX_TOKEN = 4096  # bytes; longer ones are refused unread, as the shop does


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks, as far as is known here. Subject and scopes are visible ASCII.

    ``lines`` tell the upstream, ready for the head; of an opaque one there is nothing to tell.
    ``bucket`` is that of the subject as a sticky key; -1 if it is empty.
    """

    subject: str
    scopes: frozenset[str]
    expires: float  # unix; inf for opaque ones
    staff: bool
    opaque: bool = False  # only the upstream can verify it, and knows its scopes
    lines: bytes = field(init=False, repr=False, compare=False)
    bucket: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        told = {"Ficus-Subject": self.subject}
        if self.scopes:
            told["Ficus-Scopes"] = " ".join(sorted(self.scopes))
        if self.staff:
            told["Ficus-Staff"] = "true"
        if self.opaque:
            told = {}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        object.__setattr__(self, "lines", lines.encode())
        bucket = bucket_of(self.subject.encode()) if self.subject else -1
        object.__setattr__(self, "bucket", bucket)

    def may(self, scope: str) -> bool:
        """Whether ``scope`` (``payment:write``) was granted, by name, ``payment:*`` or ``*``."""
        granted = self.scopes
        return scope in granted or "*" in granted or f"{scope.partition(':')[0]}:*" in granted


def _refusal(status: int, code: str, detail: str, *challenge: str) -> Refusal:
    field = (b"WWW-Authenticate", f"Bearer {', '.join(challenge)}".strip().encode())
    return Refusal(status, code, detail, (field,))


def _invalid(detail: str) -> Refusal:
    described = f'error_description="{detail}"'
    return _refusal(401, "unauthenticated", detail, 'error="invalid_token"', described)


MISSING = _refusal(401, "unauthenticated", "Send an access token: Authorization: Bearer <token>.")
TWICE = _refusal(
    400, "bad_request", "Send one Authorization header with one token.", 'error="invalid_request"'
)
MALFORMED = _refusal(
    400, "bad_request", "Write it so: Authorization: Bearer <token>.", 'error="invalid_request"'
)
NOT_A_JWT = _invalid("The access token is not a JWT.")
TOO_LONG = _invalid(f"The access token is longer than {MAX_TOKEN} bytes.")
INVALID = _invalid("The access token is not valid.")
EXPIRED = _invalid("The access token has expired.")
TOO_EARLY = _invalid("The access token is not valid yet.")
UNKNOWN_KEY = _invalid("The access token is signed by a key that is not published.")
NO_KEYS = Refusal(
    503,
    "keys_unavailable",
    "Access tokens cannot be verified yet; try again soon.",
    ((b"Retry-After", b"1"),),
)


def lacks(scopes: Iterable[str]) -> Refusal:
    """403 for a token without all of ``scopes``."""
    wanted = " ".join(scopes)
    detail = f"This needs the scope {wanted}."
    return _refusal(403, "forbidden", detail, 'error="insufficient_scope"', f'scope="{wanted}"')
