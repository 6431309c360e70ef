"""Webhooks: verified, stored, then applied; what names nothing known is parked for later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connections

from modules.payment import books, models, providers, settlement
from modules.payment.domain import (
    OPEN_MESSAGES,
    Charge,
    IllegalTransition,
    MessageState,
    pause,
)
from modules.platform.databases import alias_of, atomic

log = structlog.get_logger(__name__)
PARKED_FOR = timedelta(hours=24)  # a payment that is not known by then is another shop's
TAKEN_UP = timedelta(seconds=30)  # by when whoever stored a message has applied it, or died
CALL_LIMIT = 5.0  # seconds for asking the provider what a message is about

_STORE = """
INSERT INTO payment_webhookmessage
    (id, provider, message_id, type, reference, payload, next_at, received_at, state, tries, error)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'received', 0, '')
ON CONFLICT DO NOTHING RETURNING 1
"""


class MessageRefused(Exception):
    """The message is not taken: the provider did not sign it, or not now. Says why."""


class SenderUnknown(Exception):
    """No provider of this name sends messages here."""


def receive(name: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Store the message, then apply it; False when it came before.

    ``headers`` have lower-case names. Raises MessageRefused and SenderUnknown. What cannot be
    applied now is applied later.
    """
    try:
        message = providers.provider(name).read(body, headers)
    except providers.UnknownProvider as error:
        raise SenderUnknown(name) from error
    except providers.BadSignature as error:
        raise MessageRefused(str(error)) from error
    row = _stored(name, message, body)
    if row is None:
        return False
    apply(row, message.charge)
    return True


def _stored(name: str, message: providers.Message, body: bytes) -> models.WebhookMessage | None:
    """The message's row; None when it is there already.

    Committed before anything else: from here on the message is ours, whatever happens.
    """
    now = datetime.now(UTC)
    row = models.WebhookMessage(
        provider=name,
        message_id=message.id[:255],
        type=message.type[:64],
        reference=message.reference[:255],
        payload=body.decode(errors="replace").replace("\x00", ""),
        next_at=now + TAKEN_UP,
        received_at=now,
    )
    given: list[Any] = [
        row.id,
        name,
        row.message_id,
        row.type,
        row.reference,
        row.payload,
        row.next_at,
        now,
    ]
    with connections[alias_of("payment")].cursor() as cursor:
        cursor.execute(_STORE, given)
        return row if cursor.fetchone() else None


def apply(row: models.WebhookMessage, charge: Charge | None = None) -> None:
    """Bring what the message says into its payment, once."""
    try:
        charge = charge or _charge(row)
        payment_id = _payment_id(row, charge)
    except providers.ProviderError as error:
        _later(row, MessageState.RECEIVED, f"{type(error).__name__}: {error}")
        return
    if charge is None or payment_id is None:
        _later(row, MessageState.PARKED, "names no payment that is known here")
        return
    now = datetime.now(UTC)
    try:
        with atomic("payment"):
            payment = books.lock(payment_id)
            assert payment is not None  # noqa: S101 (payments are never deleted)
            settlement.absorb(payment, charge, source="webhook", now=now)
            models.WebhookMessage.objects.filter(pk=row.pk).update(
                state=MessageState.PROCESSED, payment_id=payment_id, next_at=None, processed_at=now
            )
    except (settlement.ForeignCharge, IllegalTransition) as error:
        log.warning("payment.webhook_parked", message_id=row.message_id, error=str(error))
        _later(row, MessageState.PARKED, str(error))


def retry_due(*, now: datetime, limit: int = 100) -> int:
    """Apply stored messages that are due; how many were looked at."""
    rows = models.WebhookMessage.objects.filter(
        state__in=[str(state) for state in OPEN_MESSAGES], next_at__lte=now
    )
    due = list(rows.order_by("next_at")[:limit])
    for row in due:
        apply(row)
    return len(due)


def _charge(row: models.WebhookMessage) -> Charge | None:
    """What the provider says now of the charge that the message names. Raises ProviderError."""
    if not row.reference:
        return None
    try:
        return providers.provider(row.provider).fetch(row.reference, timeout=CALL_LIMIT)
    except providers.Refused:
        return None


def _payment_id(row: models.WebhookMessage, charge: Charge | None) -> UUID | None:
    """Our payment: the one the charge was made for, else the one that has its reference."""
    if charge is None:
        return None
    rows = models.Payment.objects.filter(provider=row.provider)
    if charge.payment_id is not None:
        found = rows.filter(pk=charge.payment_id).values_list("id", flat=True).first()
        if found:
            return found
    return rows.filter(reference=charge.reference).values_list("id", flat=True).first()


def _later(row: models.WebhookMessage, state: MessageState, error: str) -> None:
    now = datetime.now(UTC)
    if now - row.received_at > PARKED_FOR:
        state = MessageState.IGNORED
    over = state is MessageState.IGNORED
    models.WebhookMessage.objects.filter(pk=row.pk).update(
        state=state,
        error=error[:200],
        tries=row.tries + 1,
        next_at=None if over else now + pause(row.tries, 1.0),
        processed_at=now if over else None,
    )
