"""What happened to messages."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent(Event):
    """The channel took the message."""

    KEY = "message_id"
    message_id: UUID
    template: str
    order_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed(Event):
    """The message will not be tried again by itself."""

    KEY = "message_id"
    message_id: UUID
    template: str
    order_id: UUID | None
    reason: str
