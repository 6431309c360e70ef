"""A fake of notification, and what accounts' tests do over and over."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID, uuid4

from django.test import client

from modules.accounts import tokens
from modules.accounts.models import User
from modules.notification.contract import Channel, Message, MessageState, SendMessage
from modules.platform.contracts import Unavailable

BASE = "/api/v1/accounts"
PASSWORD = "correct-horse-battery"
EMAIL = "ada@example.com"


class FakeNotification:
    """Takes commands once per key; with ``down`` it is unavailable."""

    def __init__(self) -> None:
        self.sent: dict[str, SendMessage] = {}
        self.down = False

    def send(self, command: SendMessage) -> Message:
        if self.down:
            raise Unavailable
        self.sent.setdefault(command.idempotency_key, command)
        return Message(
            id=uuid4(),
            order_id=None,
            owner=command.owner,
            template=command.template,
            channel=Channel.EMAIL,
            recipient=command.recipient,
            subject="",
            state=MessageState.QUEUED,
            attempts=0,
            created_at=datetime.now(UTC),
            sent_at=None,
        )

    def messages(self, *, order_ids: tuple[UUID, ...]) -> tuple[Message, ...]:
        return ()

    def token(self, template: str) -> str:
        """The secret token of the last mail of the template."""
        found = [each for each in self.sent.values() if each.template == template][-1]
        values = {each.name: each.value for each in found.variables if each.secret}
        assert unquote(values["link"]).endswith(values["token"])
        return values["token"]


def post(api: client.Client, path: str, body: dict[str, Any], **headers: str) -> Any:
    """POST JSON under accounts' address."""
    return api.post(BASE + path, body, content_type="application/json", headers=headers)


def bearer(user: User) -> dict[str, str]:
    """Headers with an access token of the user."""
    return {"Authorization": f"Bearer {tokens.issue(user, now=datetime.now(UTC)).text}"}


def customer(email: str = EMAIL, **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, **fields)
