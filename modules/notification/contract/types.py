"""Messages to people, as other modules see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    SMS = "sms"
    WEBHOOK = "webhook"


class Category(StrEnum):
    """Why a message is sent. TRANSACTIONAL ones cannot be switched off by their recipient."""

    TRANSACTIONAL = "transactional"
    MARKETING = "marketing"


class MessageState(StrEnum):
    """Where a message stands. SUPPRESSED: the recipient does not want it or knows already."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    RETRYING = "retrying"
    DEAD = "dead"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to one recipient. ``subject`` is empty until it is sent."""

    id: UUID
    order_id: UUID | None
    owner: str
    template: str
    channel: Channel
    recipient: str
    subject: str
    state: MessageState
    attempts: int
    created_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A value for a template. A ``secret`` one is forgotten once the message is sent."""

    name: str
    value: str
    secret: bool = False
