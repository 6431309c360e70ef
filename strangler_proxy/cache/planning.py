"""What the cache makes of a request, and of the answer to it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from msgspec import json

from strangler_proxy import config
from strangler_proxy.cache.answers import Answer
from strangler_proxy.cache.stored import Key, Stored
from strangler_proxy.errors import Field, Refusal

if TYPE_CHECKING:
    from strangler_proxy.cache.recording import Recording


class Request(Protocol):
    """What the cache reads of a request; the server's ``RequestHead`` and ``Request`` fit."""

    method: bytes
    target: bytes
    host: bytes
    secure: bool
    headers: dict[bytes, bytes]


class Kind(StrEnum):
    """What to do with a request."""

    BYPASS = "bypass"  # forward; the answer is none of the cache's business
    SERVE = "serve"  # send plan.answer; if plan.background, also fetch a newer one
    FORWARD = "forward"  # forward as it is; tell the cache of the answer
    REVALIDATE = "revalidate"  # forward with plan.conditions; tell the cache of the answer
    REFUSE = "refuse"  # send plan.refusal: only-if-cached, and there is nothing


class Why(StrEnum):
    """Why a request is forwarded, in the words of RFC 9211 section 2.2."""

    BYPASS = "bypass"
    METHOD = "method"
    URI_MISS = "uri-miss"
    VARY_MISS = "vary-miss"
    REQUEST = "request"
    STALE = "stale"


class Said(StrEnum):
    """What became of a request, for the log and the metrics; it may change with the answer."""

    BYPASS = "bypass"
    HIT = "hit"
    STALE = "stale"  # served although stale
    MISS = "miss"
    REVALIDATED = "revalidated"
    REFUSED = "refused"


class Then(StrEnum):
    """What to do with an upstream's answer."""

    PASS = "pass"  # noqa: S105 - send it to the client
    STORE = "store"  # the same, and give each piece of its body to outcome.recording
    SERVE = "serve"  # throw it away and send outcome.answer
    REPEAT = "repeat"  # throw it away and send the client's own request: the 304 was not ours


@dataclass(frozen=True, slots=True)
class Rules:
    """A route's cache, made once per table by ``rules_for``. Answers of one ``space`` may serve
    its requests: those of the route, as long as what its rules make of them stays the same."""

    space: str
    policy: config.Cache
    renamed: frozenset[bytes] = frozenset()  # request fields that a rule writes


def rules_for(route: config.Route) -> Rules | None:
    """None: the route has no cache."""
    if route.cache is None:
        return None
    space = route.name
    if route.request is not None or route.response is not None:
        shape = json.encode((route.request, route.response), order="deterministic")
        space += "/" + blake2b(shape, digest_size=8).hexdigest()
    renames = route.request.headers.rename.values() if route.request else ()
    return Rules(space, route.cache, frozenset(name.lower().encode() for name in renames))


# In the upstream's request these give way to plan.conditions.
REPLACED = frozenset({b"if-none-match", b"if-modified-since", b"range", b"if-range"})


class Plan:
    """What to do with one request. ``asked`` is when (unix seconds); ``what`` names the fetch for
    those who could wait for it, None if nobody can."""

    __slots__ = (
        *("answer", "asked", "background", "conditions", "key", "kind", "may_be_stale"),
        *("refusal", "request", "rules", "said", "stored", "ticket", "what", "why"),
    )

    def __init__(self, kind: Kind, rules: Rules, request: Request, asked: float) -> None:
        self.kind = kind
        self.said = Said.BYPASS
        self.rules = rules
        self.request = request
        self.asked = asked
        self.key: Key | None = None
        self.why: Why | None = None
        self.stored: Stored | None = None
        self.answer: Answer | None = None
        self.refusal: Refusal | None = None
        self.conditions: tuple[Field, ...] = ()
        self.background = False
        self.may_be_stale = 0.0  # seconds; what the client itself allows on an error
        self.what: Hashable | None = None
        self.ticket = 0


class Outcome:
    """What to do with an upstream's answer. ``status`` is a Cache-Status field to add to it."""

    __slots__ = ("answer", "recording", "status", "then")

    def __init__(
        self,
        then: Then,
        *,
        answer: Answer | None = None,
        recording: Recording | None = None,
        status: tuple[Field, ...] = (),
    ) -> None:
        self.then = then
        self.answer = answer
        self.recording = recording
        self.status = status
