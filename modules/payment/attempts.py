"""Rows of requests to providers: stored before the call, settled once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections

from modules.payment import models
from modules.payment.domain import (
    OPEN_ATTEMPTS,
    OVER,
    AttemptState,
    Operation,
)
from modules.payment.leasing import LEASE, Job
from modules.platform.contracts import Money
from modules.platform.databases import alias_of
from modules.platform.rest.identifiers import new_id

_AUTHORIZE = """
WITH made AS (
    INSERT INTO payment_payment (
        id, order_id, owner, email, provider, method, state, claim, stray, currency, amount,
        authorized, captured, voided, refunded, refunding, reference, decline_code, next_action,
        reason, due_at, tries, version, created_at, updated_at)
    SELECT %(payment)s, %(order)s, %(owner)s, %(email)s, %(provider)s, %(method)s, 'created',
        'open', false, %(currency)s, %(amount)s, 0, 0, 0, 0, 0, '', '', '', '', %(due)s, 0, 1,
        %(now)s, %(now)s
    WHERE NOT EXISTS (
        SELECT 1 FROM payment_attempt
        WHERE order_id = %(order)s AND operation = 'authorize' AND key = %(key)s)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO payment_attempt (
    id, payment_id, order_id, operation, attempt, key, amount, state, sends, tries, sent_at,
    leased_until, next_at, error, created_at)
SELECT %(attempt)s, id, %(order)s, 'authorize',
    1 + (SELECT coalesce(max(attempt), 0) FROM payment_attempt
         WHERE order_id = %(order)s AND operation = 'authorize'),
    %(key)s, %(amount)s, 'sent', 1, 0, %(now)s, %(lease)s, %(lease)s, '', %(now)s
FROM made
RETURNING attempt
"""

_CONFIRMED = """
WITH claimed AS (
    UPDATE payment_payment SET claim = 'confirmed', due_at = NULL, version = version + 1
    WHERE order_id = %(order)s AND NOT stray AND claim = 'open' AND state <> ALL (%(over)s)
    RETURNING id, CASE WHEN currency = %(currency)s
        THEN least(authorized - captured - voided, %(total)s)
        ELSE authorized - captured - voided END AS amount
)
INSERT INTO payment_attempt (
    id, payment_id, order_id, operation, attempt, key, amount, state, sends, tries, next_at, error,
    created_at)
SELECT %(attempt)s, id, %(order)s, 'capture',
    1 + (SELECT coalesce(max(attempt), 0) FROM payment_attempt
         WHERE order_id = %(order)s AND operation = 'capture'),
    %(key)s, amount, 'due', 0, 0, %(now)s, '', %(now)s
FROM claimed WHERE amount > 0
ON CONFLICT DO NOTHING
RETURNING id
"""


def store_authorization(given: dict[str, Any], *, now: datetime, due: datetime) -> Job | None:
    """A payment and its leased attempt in one statement and one commit.

    None when the order has an effective payment, or the command came before. ``given`` has
    order, owner, email, provider, method, currency, amount and key.
    """
    payment_id, attempt_id = new_id(), new_id()
    values = given | {
        "payment": payment_id,
        "attempt": attempt_id,
        "now": now,
        "lease": now + LEASE,
        "due": due,
    }
    with connections[alias_of("payment")].cursor() as cursor:
        cursor.execute(_AUTHORIZE, values)
        row = cursor.fetchone()
    if row is None:
        return None
    return Job(
        attempt_id=attempt_id,
        payment_id=payment_id,
        order_id=given["order"],
        provider=given["provider"],
        reference="",
        operation=Operation.AUTHORIZE,
        number=row[0],
        amount=given["amount"],
        currency=given["currency"],
        method=given["method"],
        email=given["email"],
        refund_id=None,
        sends=1,
        first_sent_at=now,
        previously=AttemptState.SENT,
    )


def store_confirmed_capture(
    order_id: UUID, total: Money, *, key: str, now: datetime
) -> UUID | None:
    """Claim the order's payment and store the capture of ``total``, or of what is held if that is
    less; None when there is nothing to capture, or it is stored already. One statement.
    """
    values: dict[str, Any] = {
        "attempt": new_id(),
        "order": order_id,
        "total": total.amount,
        "currency": total.currency,
        "key": key,
        "now": now,
        "over": list(OVER),
    }
    with connections[alias_of("payment")].cursor() as cursor:
        cursor.execute(_CONFIRMED, values)
        row = cursor.fetchone()
    return UUID(str(row[0])) if row else None


def store(
    payment: models.Payment,
    operation: Operation,
    amount: int,
    *,
    key: str | None,
    now: datetime,
    refund_id: UUID | None = None,
) -> models.Attempt:
    """A due attempt of a payment whose row the caller has locked."""
    rows = models.Attempt.objects.filter(order_id=payment.order_id, operation=operation)
    last = rows.order_by("-attempt").values_list("attempt", flat=True).first() or 0
    return models.Attempt.objects.create(
        payment_id=payment.id,
        order_id=payment.order_id,
        operation=operation,
        attempt=last + 1,
        key=key,
        amount=amount,
        refund_id=refund_id,
        state=AttemptState.DUE,
        next_at=now,
        created_at=now,
    )


def open_of(payment_id: UUID, *operations: Operation) -> list[models.Attempt]:
    """The payment's attempts that are not settled, oldest first."""
    rows = models.Attempt.objects.filter(payment_id=payment_id, state__in=OPEN_ATTEMPTS)
    if operations:
        rows = rows.filter(operation__in=operations)
    return list(rows.order_by("id"))


def settle(attempt_id: UUID, state: AttemptState, *, error: str = "", now: datetime) -> None:
    """The attempt is over."""
    models.Attempt.objects.filter(pk=attempt_id).update(
        state=state, error=error[:200], leased_until=None, next_at=None, settled_at=now
    )


def supersede(payment_id: UUID, operations: Sequence[Operation], *, now: datetime) -> None:
    """What is not settled of these is no longer wanted."""
    models.Attempt.objects.filter(
        payment_id=payment_id, operation__in=operations, state__in=OPEN_ATTEMPTS
    ).update(state=AttemptState.SUPERSEDED, leased_until=None, next_at=None, settled_at=now)
