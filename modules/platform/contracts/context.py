"""The ambient context of a call: who asks, until when, and as part of which request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class ActorKind(StrEnum):
    """What sort of party is asking."""

    ANONYMOUS = "anonymous"
    CUSTOMER = "customer"
    STAFF = "staff"
    API_KEY = "api_key"
    SERVICE = "service"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks.

    ``id`` is the account's id as text ("" when anonymous). ``owners`` are the owner references
    this actor may act for: ``customer:<uuid>`` from an access token, ``guest:<sha256>`` from a
    ``Cart-Token``. ``scopes`` are like ``payment:write``; ``*`` grants all.
    """

    kind: ActorKind = ActorKind.ANONYMOUS
    id: str = ""
    owners: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    label: str = ""

    def may(self, scope: str) -> bool:
        """Whether ``scope`` is granted, by itself, by its module's ``:*`` or by ``*``."""
        module = scope.partition(":")[0]
        return bool(self.scopes & {scope, f"{module}:*", "*"})

    def owns(self, owner: str) -> bool:
        return owner in self.owners


ANONYMOUS = Actor()
SYSTEM = Actor(kind=ActorKind.SYSTEM, id="system", scopes=frozenset({"*"}), label="system")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What travels with every call and event. ``deadline`` is aware UTC.

    ``asker`` is whom the story is about, by the name that the front door has for them: an account's
    id, or a digest of a guest's or a key's credential. It proves nothing; it keeps all that is done
    for somebody on one side of a module whose work is divided.
    """

    actor: Actor = ANONYMOUS
    deadline: datetime | None = None
    request_id: str | None = None
    traceparent: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    asker: str | None = None

    def remaining(self, now: datetime) -> timedelta | None:
        """Time left until the deadline; None without one; negative when it has passed."""
        return None if self.deadline is None else self.deadline - now


_NOBODY = CallContext()
_current: ContextVar[CallContext] = ContextVar("ficus_call_context", default=_NOBODY)


def current_context() -> CallContext:
    """The context of the call being served."""
    return _current.get()


@contextmanager
def call_context(context: CallContext) -> Iterator[CallContext]:
    """Serve what happens inside as ``context``."""
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


@contextmanager
def deadline_in(limit: timedelta) -> Iterator[CallContext]:
    """Give what happens inside at most ``limit``; an earlier deadline of the caller stays."""
    present = _current.get()
    mine = datetime.now(UTC) + limit
    sooner = mine if present.deadline is None else min(mine, present.deadline)
    with call_context(replace(present, deadline=sooner)) as context:
        yield context
