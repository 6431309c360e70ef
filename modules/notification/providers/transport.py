"""What a way out takes and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class Verdict(StrEnum):
    """What became of a message."""

    SENT = "sent"  # the other side has it
    LATER = "later"  # this message was refused for now
    DOWN = "down"  # the other side does not answer: nothing of this channel goes now
    DEAD = "dead"  # it will never be taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A verdict and its reason, for the log and the operator."""

    verdict: Verdict
    reason: str = ""


SENT = Outcome(verdict=Verdict.SENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message on its way. ``headers`` are extra ones of an e-mail."""

    id: UUID
    template: str
    recipient: str
    subject: str
    text: str
    html: str
    created_at: datetime
    headers: dict[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """One channel. A connection may be kept between messages until ``close``."""

    def send(self, message: Outgoing) -> Outcome:
        """Try once, within a bounded time. Never raises for what the other side does."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...
