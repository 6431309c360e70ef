"""Who asks: remembers verified access tokens, so that most requests cost one look.

A token is verified when it is seen first, which costs some 0.15 ms of CPU, and remembered until it
expires or its key is withdrawn; a refused one for a second, so that it costs no more when it is
sent again and again. An address from which too many bad ones came has to wait before another that
is not known is looked at (``forged``). Tokens are never logged.

What may stand in ``Authorization``:

nothing, or another scheme (Basic, Digest)   no credentials that we know, even if Authorization
                                             is one of ``opaque_headers``. A route that requires
                                             some refuses; others pass it to the upstream
``Bearer`` and a JWT                         an Identity, or a refusal (RFC 6750)
``Bearer`` and something else                as the upstream's own credential, if Authorization is
                                             one of ``opaque_headers``; else a refusal
two of them                                  refused: the upstream might believe the other one

An opaque credential (an API key, a cart token) is an Identity that proves nothing: ``opaque``,
without scopes, its subject a digest of the credential. It is good for sticky routing and limits,
and the upstream verifies it. Anyone can make one up, so beside a limit per identity such a route
needs one per address.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from strangler_proxy.auth.access_token import is_jwt, token_of, verify
from strangler_proxy.auth.forged import TOO_MANY_FORGED, Forged
from strangler_proxy.auth.identity import (
    EXPIRED,
    INVALID,
    MALFORMED,
    NO_KEYS,
    NOT_A_JWT,
    TOO_EARLY,
    TOO_LONG,
    TWICE,
    UNKNOWN_KEY,
    Identity,
)
from strangler_proxy.auth.keys import KeySet
from strangler_proxy.auth.remembered import Remembered
from strangler_proxy.config import Authentication
from strangler_proxy.errors import Refusal

__all__ = ["Authenticator", "HasHeaders", "HasKeys", "Identity"]

REFUSED_FOR = 1.0  # seconds that a refused token is remembered
REFUSED_TOKENS = 1024  # how many of them
MAX_REMEMBERED = 512  # bytes; longer opaque credentials are digested each time
REASONS = {
    MALFORMED: "malformed",
    TWICE: "twice",
    NOT_A_JWT: "not_a_jwt",
    TOO_LONG: "too_long",
    INVALID: "invalid",
    EXPIRED: "expired",
    TOO_EARLY: "too_early",
    UNKNOWN_KEY: "unknown_key",
    NO_KEYS: "no_keys",
}

# What is remembered of a token: until when, whom it names, the kid that vouches for it.
Entry = tuple[float, Identity, str]


class HasHeaders(Protocol):
    """A request as this file needs it; names in lower case, repeated fields joined by ", "."""

    @property
    def address(self) -> str: ...

    @property
    def headers(self) -> Mapping[bytes, bytes]: ...


class HasKeys(Protocol):
    """A source of keys as this file needs it: ``keys.KeySource``."""

    @property
    def keys(self) -> KeySet: ...

    def ask(self) -> None: ...


class Authenticator:
    """Tells who asks, by one document's ``authentication``."""

    __slots__ = (
        *("_accepted", "_forged", "_keys", "_opaque", "_refused", "_settings", "_source"),
        "counts",
    )

    def __init__(self, settings: Authentication, source: HasKeys) -> None:
        self._settings = settings
        self._source = source
        self._keys = source.keys  # by which what is remembered was verified
        self._accepted = Remembered[bytes, Entry](settings.remembered_tokens)
        self._forged = Forged(settings.bad_tokens_per_minute)
        self._refused = Remembered[bytes, tuple[float, Refusal]](REFUSED_TOKENS)
        self._opaque = {
            name.lower().encode(): Remembered[bytes, Identity](settings.remembered_tokens)
            for name in settings.opaque_headers
        }
        self.counts: Counter[str] = Counter()  # tokens seen first, by what came of them

    @property
    def remembered(self) -> int:
        """Tokens that need not be verified again, for metrics."""
        return len(self._accepted)

    def identify(self, request: HasHeaders, now: float) -> Identity | Refusal | None:
        """Who asks; None when nobody says so. ``now`` is unix time."""
        headers = request.headers
        header = headers.get(b"authorization")
        if not header:
            return self._opaque_identity(headers) if self._opaque else None
        if self._keys is self._source.keys:
            known = self._accepted.young.get(header)
            if known is not None and now < known[0]:
                return known[1]
        else:
            self._adopt_keys()
        return self._look(header, request, now)

    def _look(self, header: bytes, request: HasHeaders, now: float) -> Identity | Refusal | None:
        headers = request.headers
        known = self._known(header, now)
        if known is not None:
            return known
        token = token_of(header)
        if isinstance(token, bytes) and not is_jwt(token):
            if b"authorization" in self._opaque:
                return self._opaque_identity(headers, bearer=True)
            token = NOT_A_JWT
        if isinstance(token, bytes):
            return self._first_sight(b"Bearer " + token, token, request.address, now)
        if token is None:
            return self._opaque_identity(headers)
        self.counts[REASONS[token]] += 1
        return token

    def _known(self, header: bytes, now: float) -> Identity | Refusal | None:
        """What came of this token before."""
        known = self._accepted.get(header)
        if known is not None and now < known[0]:
            return known[1]
        refused = self._refused.get(header)
        return refused[1] if refused is not None and now < refused[0] else None

    def _first_sight(
        self, header: bytes, token: bytes, address: str, now: float
    ) -> Identity | Refusal:
        """``header`` in its plain form: with other spaces or letters it is the same token."""
        known = self._known(header, now)
        if known is not None:
            return known
        if not self._forged.admits(address, now):
            self.counts["not_looked_at"] += 1
            return TOO_MANY_FORGED
        result, kid = verify(token, self._settings, self._keys, now)
        if isinstance(result, Identity):
            self.counts["verified"] += 1
            until = result.expires + self._settings.leeway_seconds
            self._accepted.keep(header, (until, result, kid))
        else:
            self.counts[REASONS[result]] += 1
            if result is INVALID:
                self._forged.count(address, now)
            if result is UNKNOWN_KEY or result is NO_KEYS:
                self._source.ask()
            self._refused.keep(header, (now + REFUSED_FOR, result))
        return result

    def _adopt_keys(self) -> None:
        """Forget the tokens of keys that were withdrawn, and why others were refused."""
        old, new = self._keys, self._source.keys
        same = {kid for kid, key in new.items() if old.get(kid) == key}
        kept = [(header, entry) for header, entry in self._accepted.items() if entry[2] in same]
        self._accepted.clear()
        for header, entry in kept:
            self._accepted.keep(header, entry)
        self._refused.clear()
        self._keys = new

    def _opaque_identity(
        self, headers: Mapping[bytes, bytes], *, bearer: bool = False
    ) -> Identity | None:
        """Of the first opaque header that the request has.

        ``bearer``: Authorization has a token that may be one; what stands there else is none.
        """
        for name, remembered in self._opaque.items():
            value = headers.get(name)
            if not value or (name == b"authorization" and not bearer):
                continue
            found = remembered.young.get(value) or remembered.find(value)
            if found is None:
                # Keyed by nothing secret, so that all proxies agree; nobody can turn it back
                # or make another credential with the same digest.
                digest = hashlib.blake2b(name + b":" + value, digest_size=16).hexdigest()
                found = Identity(f"opaque:{digest}", frozenset(), math.inf, False, opaque=True)
                if len(value) <= MAX_REMEMBERED:
                    remembered.keep(value, found)
            return found
        return None
