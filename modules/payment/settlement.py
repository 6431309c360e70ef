"""The one locked transition: whatever a provider says of a charge becomes the payment's state.

Answers to commands, webhooks, the reconciler's questions and the sweep all end here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from modules.payment import attempts, books, metrics, models, refunding
from modules.payment.books import Line
from modules.payment.contract import (
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentState,
    PaymentVoided,
)
from modules.payment.domain import (
    AT_REST,
    OVER,
    UNANSWERED,
    UNCLAIMED_AFTER,
    AttemptState,
    Charge,
    Claim,
    EntryKind,
    Operation,
    Position,
    check,
    entries,
    is_stray,
    moved,
)
from modules.platform.contracts import Event, Money
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.crashpoints import crash_point

log = structlog.get_logger(__name__)
POLL = timedelta(seconds=30)  # how often a payment that waits for somebody is looked at


class ForeignCharge(Exception):
    """A charge names a payment of ours and is not it: other money, or another charge."""


def settle(
    payment_id: UUID, charge: Charge, *, source: str, attempt_id: UUID | None = None
) -> models.Payment:
    """Move the payment to where the provider says it is, with ledger and events.

    ``attempt_id`` is the request that this answers. Raises ForeignCharge.
    """
    now = datetime.now(UTC)
    with atomic("payment"):
        row = books.lock(payment_id)
        if row is None:
            raise ForeignCharge(f"there is no payment {payment_id}")
        changed = absorb(row, charge, source=source, now=now, attempt_id=attempt_id)
        if attempt_id is not None and not changed:
            attempts.settle(attempt_id, AttemptState.SUCCEEDED, now=now)
    crash_point("payment.settled")
    return row


def absorb(
    row: models.Payment,
    charge: Charge,
    *,
    source: str,
    now: datetime,
    attempt_id: UUID | None = None,
) -> bool:
    """The transition itself, on a locked row; whether anything changed."""
    _check_identity(row, charge)
    before, refunding_before = row.position, row.refunding
    refunds = refunding.settle(row, charge, now=now)
    newly = sum(refund.amount for refund in refunds)
    after = moved(before, charge, newly_refunded=newly)
    named = bool(charge.reference) and not row.reference
    if after == before and not named and row.refunding == refunding_before:
        return False
    _take_over(row, before, after, charge, now=now)
    lines = [
        Line(kind, amount)
        for kind, amount in entries(before, after)
        if kind is not EntryKind.REFUND
    ]
    lines += [Line(EntryKind.REFUND, refund.amount, refund.id) for refund in refunds]
    answered = before.state in UNANSWERED and after.state not in UNANSWERED
    books.write(row, lines, source=source, now=now, answered=answered, attempt_id=attempt_id)
    metrics.count_step(row, before)
    if not row.stray:
        publish_all(_events(row, before, after, refunds))
    return True


def give_up(row: models.Payment, *, state: PaymentState, code: str, now: datetime) -> None:
    """End a locked payment of which the provider has nothing: it was never received."""
    before = row.position
    row.state = check(before.state, state)
    row.decline_code = code
    row.due_at = None
    books.write(row, [], source="", now=now)
    attempts.supersede(row.id, [Operation.AUTHORIZE], now=now)
    metrics.count_step(row, before)
    if not row.stray:
        publish_all(_events(row, before, row.position, []))


def publish_all(events: list[Event]) -> None:
    if events:
        publish(*events)


def _check_identity(row: models.Payment, charge: Charge) -> None:
    if charge.currency != row.currency or charge.amount != row.amount:
        raise ForeignCharge(
            f"{charge.reference} is over {charge.amount} {charge.currency}, "
            f"payment {row.id} over {row.amount} {row.currency}"
        )
    if row.reference and charge.reference and charge.reference != row.reference:
        raise ForeignCharge(f"payment {row.id} is {row.reference}, not {charge.reference}")


def _take_over(
    row: models.Payment, before: Position, after: Position, charge: Charge, *, now: datetime
) -> None:
    row.state = after.state
    row.authorized, row.captured = after.authorized, after.captured
    row.voided, row.refunded = after.voided, after.refunded
    row.reference = row.reference or charge.reference
    waiting = after.state is PaymentState.REQUIRES_ACTION
    row.next_action = charge.next_action if waiting else ""
    if after.state is PaymentState.DECLINED:
        row.decline_code = charge.decline_code or "declined"
    if is_stray(before, after):
        log.warning("payment.stray_charge", payment_id=str(row.id), reference=charge.reference)
        row.stray, row.claim, row.decline_code = True, Claim.CANCELLED, ""
    row.due_at = _next_look(row, now)


def _next_look(row: models.Payment, now: datetime) -> datetime | None:
    """When the reconciler looks at the payment: at once if it should not stand, later if nobody
    has claimed it, never if all is said."""
    if row.state in AT_REST:
        return None
    if row.claim == Claim.CANCELLED:
        return now
    if row.claim == Claim.CONFIRMED and not row.refunding:
        return None
    return row.due_at or now + (POLL if row.refunding else UNCLAIMED_AFTER)


def _events(
    row: models.Payment, before: Position, after: Position, refunds: list[models.Refund]
) -> list[Event]:
    ids = {"order_id": row.order_id, "payment_id": row.id}

    def money(amount: int) -> Money:
        return Money(amount=amount, currency=row.currency)

    found: list[Event] = []
    if after.authorized and not before.authorized:
        found.append(PaymentAuthorized(**ids, amount=money(after.authorized)))
    if after.captured > before.captured:
        taken = after.captured - before.captured
        found.append(PaymentCaptured(**ids, amount=money(taken), captured=money(after.captured)))
    refunded = before.refunded
    for refund in refunds:
        refunded += refund.amount
        found.append(
            PaymentRefunded(
                **ids,
                refund_id=refund.id,
                amount=money(refund.amount),
                refunded=money(refunded),
            )
        )
    if after.state != before.state and after.state in OVER:
        found.append(_ending(row, ids))
    return found


def _ending(row: models.Payment, ids: dict[str, UUID]) -> Event:
    if row.state == PaymentState.DECLINED:
        return PaymentDeclined(**ids, decline_code=row.decline_code)
    return PaymentVoided(**ids, reason=row.reason)
