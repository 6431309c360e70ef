"""Puts messages into the queue, in the transaction of whatever causes them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connections, transaction

from modules.notification.contract import Channel
from modules.notification.models import WebhookEndpoint
from modules.platform.databases import alias_of
from modules.platform.messaging import after_commit
from modules.platform.rest.identifiers import new_id

ENDPOINTS_CACHED = 5.0  # seconds; a new webhook endpoint hears of things that late at most

_INSERT = """
INSERT INTO notification_message (
    id, source, template, channel, recipient, owner, order_id, locale, variables, secrets,
    subject, text, html, state, attempts, next_at, last_error, created_at)
SELECT id, %s, %s, channel, recipient, %s, %s, %s, %s, secrets,
    '', '', '', 'queued', 0, %s, '', %s
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS t(id, channel, recipient, secrets)
ON CONFLICT (source, recipient, template, channel) DO NOTHING
RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message to be queued. ``variables`` and ``secrets`` are JSON objects as text."""

    source: str
    template: str
    recipient: str
    owner: str
    locale: str
    variables: str
    channel: Channel = Channel.EMAIL
    secrets: str | None = None
    order_id: UUID | None = None
    not_before: datetime | None = None


def queue(draft: Draft, *, now: datetime, hooks: bool = False) -> UUID | None:
    """Queue the message; None when it was queued before. One statement.

    With ``hooks`` the webhook endpoints that listen for the template get one each, without the
    secrets. Takes part in the open transaction; sending starts after its commit.
    """
    rows: list[tuple[UUID, str, str, str | None]] = [
        (new_id(), draft.channel, draft.recipient, draft.secrets)
    ]
    if hooks:
        rows += [(new_id(), Channel.WEBHOOK, url, None) for url in _listeners(draft.template)]
    values = [draft.source, draft.template, draft.owner, draft.order_id, draft.locale]
    with connections[alias_of("notification")].cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                *values,
                draft.variables,
                draft.not_before or now,
                now,
                *([row[column] for row in rows] for column in range(4)),
            ],
        )
        new = {found for (found,) in cursor.fetchall()}
    if new:
        start_sending_after_commit()
    return rows[0][0] if rows[0][0] in new else None


def start_sending_after_commit() -> None:
    """Start one sender when the transaction commits, however many messages it queues."""
    connection = connections[alias_of("notification")]
    if all(entry[1] is not _start_sending for entry in connection.run_on_commit):
        transaction.on_commit(_start_sending, using=connection.alias)


def _start_sending() -> None:
    from modules.notification.tasks import send_messages

    after_commit("notification", send_messages)


_endpoints: tuple[float, dict[str, tuple[str, ...]]] = (float("-inf"), {})


def _listeners(template: str) -> Iterable[str]:
    global _endpoints
    until, known = _endpoints
    if until < time.monotonic():
        known = {}
        rows = WebhookEndpoint.objects.filter(is_active=True).values_list("url", "templates")
        for url, templates in rows:
            for name in templates:
                known[name] = (*known.get(name, ()), url)
        _endpoints = (time.monotonic() + ENDPOINTS_CACHED, known)
    return known.get(template, ())


def forget_endpoints() -> None:
    """Ask the database again which endpoints listen."""
    global _endpoints
    _endpoints = (float("-inf"), {})
