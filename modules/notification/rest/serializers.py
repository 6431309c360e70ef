"""What notification's operations take and give."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from modules.notification.contract import Category, Channel
from modules.notification.contract.types import MessageState
from modules.notification.queries import MessageRow, TemplateRow, WebhookEndpoint
from modules.notification.rendering import Rendered
from modules.notification.wording import Texts
from modules.platform.rest.identifiers import ids
from modules.platform.rest.pagination import ListQuery, Query

MESSAGES = ids("msg")
ORDERS = ids("ord")
TEMPLATES = ids("tpl")
ENDPOINTS = ids("wep")

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,58}[a-z0-9]$")]
Locale = Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]
Subject = Annotated[str, Meta(max_length=300)]
Source = Annotated[str, Meta(max_length=64_000)]
Reason = Annotated[str, Meta(min_length=3, max_length=400)]


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A request's body."""


class MessageQuery(ListQuery, kw_only=True):
    """Which messages. Who is not staff sees their own only."""

    order_id: str = ""
    recipient: str = ""
    state: MessageState | None = None


class TemplateQuery(ListQuery, kw_only=True):
    """Which templates."""

    name: str = ""


class UnsubscribeQuery(Query, kw_only=True):
    """The link's token."""

    token: Annotated[str, Meta(min_length=1, max_length=2000)]


class ReasonBody(Body):
    """Why it is done; kept with the message and in the log."""

    reason: Reason


class TextsBody(Body):
    """What a template says. ``html`` stands inside the shop's layout and may be empty."""

    text: Annotated[str, Meta(min_length=1, max_length=64_000)]
    subject: Subject = ""
    html: Source = ""
    category: Category = Category.TRANSACTIONAL


class TemplateBody(TextsBody, kw_only=True):
    """A new template."""

    name: Name
    channel: Channel = Channel.EMAIL
    locale: Locale = "en"


class PreviewBody(Body):
    """Data to fill the template with; sample data when there is none."""

    variables: dict[str, Any] = {}


class PreferencesBody(Body):
    """Which categories are wanted."""

    marketing: bool
    transactional: bool = True


class EndpointBody(Body):
    """Where webhooks go, and about which messages: names of templates."""

    url: Annotated[str, Meta(min_length=10, max_length=500, pattern=r"^https?://[!-~]+$")]
    templates: Annotated[list[Name], Meta(min_length=1, max_length=50)]


class MessageView(msgspec.Struct, kw_only=True):
    """A message. ``recipient`` is where it goes."""

    id: str
    order_id: str | None
    template: str
    channel: Channel
    recipient: str
    locale: str
    subject: str
    state: MessageState
    attempts: int
    created_at: datetime
    sent_at: datetime | None


class MessageDetail(MessageView, kw_only=True):
    """A message; staff see its body and its last error, others null. Secrets are masked."""

    text: str | None = None
    html: str | None = None
    last_error: str | None = None


class TemplateView(msgspec.Struct, kw_only=True):
    """A template. ``edited``: no longer as shipped."""

    id: str
    name: str
    channel: Channel
    locale: str
    category: Category
    subject: str
    text: str
    html: str
    edited: bool
    version: int
    updated_at: datetime


class PreviewView(msgspec.Struct, kw_only=True):
    """What the message would look like."""

    subject: str
    text: str
    html: str


class PreferencesView(msgspec.Struct, kw_only=True):
    """Which categories are wanted."""

    transactional: bool
    marketing: bool


class EndpointView(msgspec.Struct, kw_only=True):
    """A webhook endpoint, without its secret."""

    id: str
    url: str
    templates: list[str]
    is_active: bool
    disabled_reason: str
    created_at: datetime


class NewEndpoint(EndpointView, kw_only=True):
    """An endpoint just made. ``secret`` verifies its webhooks and is shown this once."""

    secret: str


def message_of(row: MessageRow) -> MessageView:
    return MessageView(**_message(row))


def detail_of(row: MessageRow, *, staff: bool) -> MessageDetail:
    if not staff:
        return MessageDetail(**_message(row))
    return MessageDetail(**_message(row), text=row.text, html=row.html, last_error=row.last_error)


def _message(row: MessageRow) -> dict[str, Any]:
    return {
        "id": MESSAGES.text(row.pk),
        "order_id": ORDERS.text(row.order_id) if row.order_id else None,
        "template": row.template,
        "channel": Channel(row.channel),
        "recipient": row.recipient,
        "locale": row.locale,
        "subject": row.subject,
        "state": MessageState(row.state),
        "attempts": row.attempts,
        "created_at": row.created_at,
        "sent_at": row.sent_at,
    }


def template_of(row: TemplateRow) -> TemplateView:
    return TemplateView(
        id=TEMPLATES.text(row.pk),
        name=row.name,
        channel=Channel(row.channel),
        locale=row.locale,
        category=Category(row.category),
        subject=row.subject,
        text=row.text,
        html=row.html,
        edited=row.edited,
        version=row.version,
        updated_at=row.updated_at,
    )


def texts_of(body: TextsBody) -> Texts:
    return Texts(subject=body.subject, text=body.text, html=body.html, category=body.category)


def preview_of(rendered: Rendered) -> PreviewView:
    return PreviewView(subject=rendered.subject, text=rendered.text, html=rendered.html)


def endpoint_of(row: WebhookEndpoint) -> EndpointView:
    return EndpointView(**_endpoint(row))


def new_endpoint_of(row: WebhookEndpoint) -> NewEndpoint:
    return NewEndpoint(**_endpoint(row), secret=row.secret)


def _endpoint(row: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": ENDPOINTS.text(row.pk),
        "url": row.url,
        "templates": list(row.templates),
        "is_active": row.is_active,
        "disabled_reason": row.disabled_reason,
        "created_at": row.created_at,
    }
