"""A claimed message to what goes over its channel, and what of it is kept."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from modules.notification import wording
from modules.notification.contract import Category, Channel, TemplateUnknown
from modules.notification.providers.transport import Outgoing
from modules.notification.rendering import MASK, render_message
from modules.notification.sandbox import SandboxError
from modules.notification.unsubscribing import Subscription, url_of

ADDRESS = re.compile(r"[^\s@<>,;]{1,64}@[^\s@<>,;]{1,255}")
PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


class Unsendable(Exception):
    """It cannot be sent, now or later; the message says why."""


class Queued(Protocol):
    """What of a message is needed to compose it."""

    @property
    def id(self) -> UUID: ...
    @property
    def template(self) -> str: ...
    @property
    def channel(self) -> str: ...
    @property
    def recipient(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def locale(self) -> str: ...
    @property
    def variables(self) -> str: ...
    @property
    def secrets(self) -> str | None: ...
    @property
    def created_at(self) -> datetime: ...


def compose(message: Queued) -> tuple[Outgoing, str, Outgoing]:
    """What goes out, its category, and what is kept (the same with secrets masked).

    Raises Unsendable.
    """
    _check_recipient(message.channel, message.recipient)
    if message.channel == Channel.WEBHOOK:
        outgoing = _plain(message, "", _webhook_body(message), "")
        return outgoing, Category.TRANSACTIONAL, outgoing
    variables = msgspec.json.decode(message.variables)
    secrets = msgspec.json.decode(message.secrets) if message.secrets else {}
    outgoing, category = _render(message, variables | secrets)
    if not secrets:
        return outgoing, category, outgoing
    kept, _ = _render(message, variables | dict.fromkeys(secrets, MASK))
    return outgoing, category, kept


def _render(message: Queued, variables: dict[str, Any]) -> tuple[Outgoing, str]:
    try:
        source = wording.find(message.template, message.channel, message.locale)
        url = ""
        if source.category != Category.TRANSACTIONAL and message.channel == Channel.EMAIL:
            about = Subscription(
                email=message.recipient, owner=message.owner, category=source.category
            )
            url = url_of(about)
        rendered = render_message(source, variables, unsubscribe_url=url)
    except (TemplateUnknown, SandboxError) as error:
        raise Unsendable(str(error)) from error
    outgoing = _plain(message, rendered.subject, rendered.text, rendered.html)
    if url:
        headers = {
            "List-Unsubscribe": f"<{url}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        outgoing = replace(outgoing, headers=headers)
    return outgoing, source.category


def _plain(message: Queued, subject: str, text: str, html: str) -> Outgoing:
    return Outgoing(
        id=message.id,
        template=message.template,
        recipient=message.recipient,
        subject=subject,
        text=text,
        html=html,
        created_at=message.created_at,
    )


def _webhook_body(message: Queued) -> str:
    """The Standard Webhooks payload: type, timestamp, data."""
    body = {
        "type": message.template.replace("_", ".", 1),
        "timestamp": message.created_at.astimezone(UTC).isoformat(),
        "data": msgspec.Raw(message.variables.encode()),
    }
    return msgspec.json.encode(body).decode()


def _check_recipient(channel: str, recipient: str) -> None:
    shapes = {Channel.EMAIL: ADDRESS, Channel.SMS: PHONE}
    shape = shapes.get(Channel(channel))
    if shape is not None and (not shape.fullmatch(recipient) or not recipient.isascii()):
        raise Unsendable(f"{recipient[:100]!r} is no recipient of {channel} messages")
