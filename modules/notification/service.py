"""Answers the port ``Notification``, and the use cases on messages."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import structlog
from django.db.models import QuerySet

from modules.notification import wording
from modules.notification.contract import (
    Channel,
    Message,
    MessageNotFound,
    NotRetryable,
    SendMessage,
)
from modules.notification.contract.types import MessageState
from modules.notification.models import MessageRow
from modules.notification.queueing import Draft, queue, start_sending_after_commit
from modules.platform.databases import atomic

log = structlog.get_logger(__name__)
MOST_ORDERS = 500


class NotificationService:
    """The implementation of the port."""

    def send(self, command: SendMessage) -> Message:
        """Queue a message and return it at once. Raises TemplateUnknown."""
        if command.channel is not Channel.WEBHOOK:
            wording.find(command.template, command.channel, command.locale)
        draft = _draft(command)
        with atomic("notification"):
            queue(draft, now=datetime.now(UTC))
            row = MessageRow.objects.get(
                source=draft.source,
                recipient=draft.recipient,
                template=draft.template,
                channel=draft.channel,
            )
        return message_of(row)

    def messages(self, *, order_ids: tuple[UUID, ...]) -> tuple[Message, ...]:
        """The messages about the orders, oldest first; one query."""
        if len(order_ids) > MOST_ORDERS:
            raise ValueError(f"at most {MOST_ORDERS} orders a call")
        rows = MessageRow.objects.filter(order_id__in=order_ids).order_by("id")
        return tuple(message_of(row) for row in without_bodies(rows))


def requeue(*, message_id: UUID, reason: str) -> MessageRow:
    """Send a dead message again. Raises MessageNotFound, NotRetryable."""
    now = datetime.now(UTC)
    with atomic("notification"):
        row = MessageRow.objects.select_for_update().filter(pk=message_id).first()
        if row is None:
            raise MessageNotFound(message_id=message_id)
        forgotten = row.secrets is None and "secret expired" in row.last_error
        if row.state != MessageState.DEAD or forgotten:
            raise NotRetryable(message_id=message_id, state=row.state)
        row.state, row.attempts, row.next_at = MessageState.QUEUED, 0, now
        row.last_error = f"queued again: {reason}"[:500]
        row.save(update_fields=["state", "attempts", "next_at", "last_error"])
        start_sending_after_commit()
    log.info("message.requeued", id=str(message_id), template=row.template, reason=reason)
    return row


def message_of(row: MessageRow) -> Message:
    """The message as other modules see it."""
    return Message(
        id=row.pk,
        order_id=row.order_id,
        owner=row.owner,
        template=row.template,
        channel=Channel(row.channel),
        recipient=row.recipient,
        subject=row.subject,
        state=MessageState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        sent_at=row.sent_at,
    )


def without_bodies(rows: QuerySet[MessageRow]) -> QuerySet[MessageRow]:
    """Leave the long columns in the database."""
    return rows.defer("text", "html", "variables", "secrets")


def _draft(command: SendMessage) -> Draft:
    public = {each.name: each.value for each in command.variables if not each.secret}
    secret = {each.name: each.value for each in command.variables if each.secret}
    return Draft(
        source=command.idempotency_key[:255],
        template=command.template,
        recipient=command.recipient,
        owner=command.owner,
        order_id=command.order_id,
        locale=command.locale,
        channel=command.channel,
        variables=msgspec.json.encode(public).decode(),
        secrets=msgspec.json.encode(secret).decode() if secret else None,
    )
