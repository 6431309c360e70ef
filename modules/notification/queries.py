"""Reads of messages, templates and endpoints, for the edge."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from modules.notification.contract import MessageNotFound
from modules.notification.models import MessageRow, TemplateRow, WebhookEndpoint
from modules.platform.contracts import Actor

# The rows that these reads give are also what the edge renders.
__all__ = [
    "READ",
    "MessageRow",
    "TemplateRow",
    "WebhookEndpoint",
    "endpoints",
    "message_for",
    "messages_for",
    "templates",
]

READ = "notification:read"


def messages_for(actor: Actor) -> QuerySet[MessageRow]:
    """What the actor may see: staff all messages, others those about their own things."""
    rows = MessageRow.objects.all()
    return rows if actor.may(READ) else rows.filter(owner__in=actor.owners)


def message_for(actor: Actor, message_id: UUID) -> MessageRow:
    """One message. Raises MessageNotFound, also when it is somebody else's."""
    row = messages_for(actor).filter(pk=message_id).first()
    if row is None:
        raise MessageNotFound(message_id=message_id)
    return row


def templates(*, name: str = "") -> QuerySet[TemplateRow]:
    """All templates, or those of one name."""
    rows = TemplateRow.objects.all()
    return rows.filter(name=name) if name else rows


def endpoints() -> QuerySet[WebhookEndpoint]:
    """All webhook endpoints."""
    return WebhookEndpoint.objects.all()
