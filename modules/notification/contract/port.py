"""What other modules may ask of notification."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from modules.notification.contract.commands import SendMessage
from modules.notification.contract.types import Message


class Notification(Protocol):
    """Tell people what happened to their orders and accounts."""

    def send(self, command: SendMessage) -> Message:
        """Queue a message and return it at once. Raises TemplateUnknown."""
        ...

    def messages(self, *, order_ids: tuple[UUID, ...]) -> tuple[Message, ...]:
        """The messages about the orders, oldest first. At most 500 orders a call."""
        ...
