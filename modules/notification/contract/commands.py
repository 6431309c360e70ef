"""What others may tell notification to do."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.notification.contract.types import Channel, Variable
from modules.platform.contracts import Command


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMessage(Command):
    """Queue one message; the same key never sends twice."""

    template: str
    recipient: str
    owner: str
    variables: tuple[Variable, ...] = ()
    locale: str = "en"
    channel: Channel = Channel.EMAIL
    order_id: UUID | None = None
