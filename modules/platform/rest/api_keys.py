"""API keys in a host that has no table of them: asked of whoever has, and remembered for seconds.

accounts makes keys and has their digests. A host without it installs ``AskedKeys`` with a way to
ask. A key that is revoked works here for as long as accounts itself remembers it, and ``FRESH``
more; while accounts does not answer, a key that it has vouched for stands for ``STALE``.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

import structlog

from modules.platform.binding import BindingError
from modules.platform.contracts import (
    SYSTEM,
    Actor,
    ActorKind,
    ContractError,
    Forbidden,
    call_context,
    current_context,
)
from modules.platform.rest.problems import Problem

log = structlog.get_logger(__name__)

MARK = "fk_"  # so that scanners for leaked secrets can find them
SHAPE = re.compile(r"^fk_[a-z0-9]{8}_[A-Za-z0-9_-]{43}$")
FRESH = 5.0  # seconds for which an answer is not asked for again
STALE = 60.0  # seconds for which it stands while nobody answers
PATIENCE = timedelta(seconds=2)  # for an answer: the client waits meanwhile
REMEMBERED = 10_000  # keys; valid ones only, so nobody can fill it with guesses
UNKNOWN = "The API key is unknown, expired or revoked."


class Vouched(Protocol):
    """What is said of a valid key."""

    @property
    def id(self) -> UUID: ...
    @property
    def label(self) -> str: ...
    @property
    def scopes(self) -> frozenset[str]: ...


Ask = Callable[[str], Vouched]  # raises Forbidden for a key that is none


def is_api_key(text: str) -> bool:
    """Whether it is meant as one. Raises Problem 401 for what looks like one and cannot be."""
    if not text.startswith(MARK):
        return False
    if not SHAPE.fullmatch(text):
        raise Problem.unauthorized(UNKNOWN)
    return True


def actor_of(known: Vouched) -> Actor:
    """Who acts with a valid key; it owns nothing."""
    label = f"key {known.label}"
    return Actor(kind=ActorKind.API_KEY, id=str(known.id), scopes=known.scopes, label=label)


class _Answer(NamedTuple):
    actor: Actor
    at: float  # by the clock, when it was asked for


class AskedKeys:
    """Verifies API keys by asking. Safe between threads.

    Of requests that come with the same key at once, one asks and the others wait for its answer.
    """

    def __init__(self, ask: Ask, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._known: dict[bytes, _Answer] = {}
        self._turns = tuple(threading.Lock() for _ in range(64))

    def verify(self, text: str) -> Actor | None:
        """The actor of an API key; None for another sort of credential.

        Raises Problem 401 for a key that is none, 503 when it cannot be known now.
        """
        if not is_api_key(text):
            return None
        digest = hashlib.sha256(text.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() - known.at < FRESH:
            return known.actor
        with self._turns[digest[0] % len(self._turns)]:
            return self._asked(text, digest)

    def _asked(self, text: str, digest: bytes) -> Actor:
        now, known = self._clock(), self._known.get(digest)
        if known is not None and now - known.at < FRESH:
            return known.actor  # somebody else has asked meanwhile
        try:
            with _briefly():
                actor = actor_of(self._ask(text))
        except Forbidden as error:
            self._known.pop(digest, None)
            raise Problem.unauthorized(error.sentence()) from error
        except (ContractError, BindingError) as error:
            log.warning("api_key.not_asked", error=str(error))
            if known is not None and now - known.at < STALE:
                return known.actor
            detail = "API keys cannot be verified now; try again soon."
            raise Problem(503, "keys_unavailable", detail, headers={"Retry-After": "1"}) from error
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[digest] = _Answer(actor, now)
        return actor


@contextmanager
def _briefly() -> Iterator[None]:
    """The host asks, in its own name, and not for longer than a client likes to wait."""
    context = current_context()
    until = datetime.now(UTC) + PATIENCE
    deadline = min(until, context.deadline) if context.deadline else until
    with call_context(replace(context, actor=SYSTEM, deadline=deadline)):
        yield
