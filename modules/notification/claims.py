"""Whose message is it: claimed under a lease by one sender, settled by it or by nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from modules.notification import refunds
from modules.notification.contract import MessageFailed, MessageSent
from modules.notification.contract.types import MessageState
from modules.notification.domain import LEASE
from modules.notification.providers.transport import Outgoing
from modules.platform.databases import alias_of, atomic
from modules.platform.messaging import publish

_COLUMNS = (
    "id, template, channel, recipient, owner, order_id, locale, variables, secrets, attempts, "
    "created_at"
)
# SKIP LOCKED: many senders run; each takes its own messages. A CTE is evaluated once; a subquery in
# FROM, on the inner side of a nested loop, anew for each row, and each time finds others: the limit
# is none then.
_CLAIM = f"""
WITH due AS MATERIALIZED (
    SELECT id AS due_id FROM notification_message
    WHERE state IN ('queued', 'retrying', 'sending') AND next_at <= %s
    ORDER BY next_at LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE notification_message m
SET state = 'sending', claim = %s, next_at = %s, attempts = m.attempts + 1
FROM due
WHERE m.id = due_id
RETURNING {_COLUMNS}
"""  # noqa: S608
# Only what is still claimed by us: whose lease ended belongs to somebody else.
_SETTLE = """
UPDATE notification_message m
SET state = v.state, next_at = v.next_at, sent_at = v.sent_at, last_error = v.error,
    subject = v.subject, text = v.text, html = v.html,
    attempts = m.attempts - v.uncounted, claim = NULL,
    secrets = CASE WHEN v.state IN ('sent', 'suppressed') THEN NULL ELSE m.secrets END
FROM unnest(
    %s::uuid[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::int[]
) AS v(id, state, next_at, sent_at, error, subject, text, html, uncounted)
WHERE m.id = v.id AND m.claim = %s
RETURNING m.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message this sender holds. ``attempts`` counts the present one."""

    id: UUID
    template: str
    channel: str
    recipient: str
    owner: str
    order_id: UUID | None
    locale: str
    variables: str
    secrets: str | None
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What is to be written about a message. ``uncounted`` attempts are given back."""

    message: Claimed
    state: MessageState
    next_at: datetime
    sent_at: datetime | None = None
    error: str = ""
    kept: Outgoing | None = None
    uncounted: int = 0


def claim(holder: UUID, *, now: datetime, limit: int) -> list[Claimed]:
    """Up to ``limit`` due messages, ``holder``'s until LEASE is over. One statement."""
    with connections[alias_of("notification")].cursor() as cursor:
        cursor.execute(_CLAIM, [now, limit, holder, now + LEASE])
        names = Claimed.__dataclass_fields__
        return [Claimed(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def settle(holder: UUID, settled: Sequence[Settled]) -> list[Settled]:
    """Write what became of the messages that are still ``holder``'s, and publish it; those."""
    columns: list[list[Any]] = [
        [each.message.id for each in settled],
        [each.state for each in settled],
        [each.next_at for each in settled],
        [each.sent_at for each in settled],
        [each.error[:500] for each in settled],
        [each.kept.subject if each.kept else "" for each in settled],
        [each.kept.text if each.kept else "" for each in settled],
        [each.kept.html if each.kept else "" for each in settled],
        [each.uncounted for each in settled],
    ]
    with atomic("notification"):
        with connections[alias_of("notification")].cursor() as cursor:
            cursor.execute(_SETTLE, [*columns, holder])
            written = {found for (found,) in cursor.fetchall()}
        mine = [each for each in settled if each.message.id in written]
        refunds.remember([each.message for each in mine if each.state is MessageState.SENT])
        if events := [event for each in mine if (event := _event(each)) is not None]:
            publish(*events)
    return mine


def _event(settled: Settled) -> MessageSent | MessageFailed | None:
    message = settled.message
    if settled.state is MessageState.SENT:
        return MessageSent(
            message_id=message.id, template=message.template, order_id=message.order_id
        )
    if settled.state is MessageState.DEAD:
        return MessageFailed(
            message_id=message.id,
            template=message.template,
            order_id=message.order_id,
            reason=settled.error,
        )
    return None
