"""What modules say to each other: commands (imperative) and events (past tense)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``PaymentAuthorized`` as ``payment_authorized``."""
    return _WORD.sub("_", name).lower()


def module_of(cls: type) -> str:
    """The module whose contract declares ``cls``: ``modules.payment.contract.events`` -> payment.

    Raises ``ValueError`` for a class that lives outside ``modules.<name>``.
    """
    parts = cls.__module__.split(".")
    if len(parts) < 2 or parts[0] != "modules":
        raise ValueError(f"{cls.__qualname__} is declared in {cls.__module__}, not in a module")
    return parts[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A request to change something. The same ``idempotency_key`` always means the same request."""

    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A fact. Subclasses name their aggregate's id field in ``KEY``: order is kept per key."""

    KEY: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    @classmethod
    def type_name(cls) -> str:
        """The CloudEvents type, such as ``payment.payment_authorized.v1``."""
        return f"{module_of(cls)}.{snake(cls.__name__)}.v{cls.VERSION}"

    def key(self) -> str:
        """The aggregate's id as text; events with the same key are handled in order."""
        return str(getattr(self, self.KEY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """An event's wrapping on its way (CloudEvents 1.0 plus tracing and causation)."""

    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    traceparent: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    asker: str | None = None
