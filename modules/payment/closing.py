"""Gives all of a payment back, however far it got: asks, voids, refunds, until nothing stays."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from modules.payment import (
    asking,
    attempts,
    books,
    leasing,
    models,
    providers,
    refunding,
    settlement,
)
from modules.payment.contract import (
    NOT_RECEIVED,
    OutcomeUnknown,
    PaymentState,
    ProviderUnavailable,
)
from modules.payment.domain import (
    AT_REST,
    SETTLED_AFTER,
    UNANSWERED,
    AttemptState,
    Claim,
    Operation,
    closing_step,
    pause,
)
from modules.platform.databases import atomic

log = structlog.get_logger(__name__)
ROUNDS = 5  # ask, void, refused because captured meanwhile, refund, and one to spare
RETRY = timedelta(seconds=5)  # until the reconciler goes on with what a dead caller left


def close(
    payment_id: UUID, *, reason: str, now: datetime, source: str = "command"
) -> models.Payment:
    """Leave nothing of the payment standing. Raises OutcomeUnknown, ProviderUnavailable.

    What is not done by then is done by the reconciler, for the payment is marked.
    """
    for _ in range(ROUNDS):
        row, attempt_id = _next(payment_id, reason=reason, now=now)
        if row.state in AT_REST:
            return row
        if row.state in UNANSWERED:
            row = resolve(row, if_absent=PaymentState.VOIDED, now=now, source=source)
        elif attempt_id is not None:
            row = asking.run(attempt_id, source=source)
        if row.state in AT_REST:
            return row
    log.warning("payment.not_closed", payment_id=str(payment_id), state=row.state)
    raise OutcomeUnknown(order_id=row.order_id)


def resolve(
    row: models.Payment, *, if_absent: PaymentState, now: datetime, source: str
) -> models.Payment:
    """Find out how an unanswered authorization ended, without asking for it again.

    A request that the provider has not seen long after it was sent never arrived: the payment
    ends as ``if_absent``. Raises OutcomeUnknown while it may still arrive, ProviderUnavailable.
    """
    sent = _last_sent(row.id)
    try:
        provider = providers.provider(row.provider)
        found = sent and provider.find(
            row.id, since=row.created_at, timeout=leasing.time_left().total_seconds()
        )
    except (providers.NotSent, providers.UnknownProvider) as error:
        raise ProviderUnavailable(provider=row.provider) from error
    except providers.ProviderError as error:
        raise OutcomeUnknown(order_id=row.order_id) from error
    if found:
        return settlement.settle(row.id, found, source=source)
    if sent and now < sent + SETTLED_AFTER:
        raise OutcomeUnknown(order_id=row.order_id)
    return _give_up(row.id, if_absent, sent, now=now)


def _next(payment_id: UUID, *, reason: str, now: datetime) -> tuple[models.Payment, UUID | None]:
    """Mark the payment as cancelled and store what to ask next, in one transaction."""
    with atomic("payment"):
        row = books.lock(payment_id)
        assert row is not None  # noqa: S101 (payments are never deleted)
        if row.state in AT_REST:
            return row, None
        row.claim, row.reason = Claim.CANCELLED, row.reason or reason[:500]
        row.tries = min(row.tries + 1, 1000)
        row.due_at = now + RETRY + pause(row.tries, 1.0)
        models.Payment.objects.filter(pk=row.pk).update(
            claim=row.claim, reason=row.reason, due_at=row.due_at, tries=row.tries
        )
        attempts.supersede(row.id, [Operation.CAPTURE], now=now)
        if row.state in UNANSWERED:
            return row, None
        return row, _step(row, now)


def _step(row: models.Payment, now: datetime) -> UUID | None:
    """The open attempt to go on with, or a new one for what is still to be done."""
    unsettled = attempts.open_of(row.id, Operation.VOID, Operation.REFUND)
    if unsettled:
        return unsettled[0].id
    match closing_step(row.position):
        case Operation.VOID:
            amount = row.position.capturable or row.amount
            return attempts.store(row, Operation.VOID, amount, key=None, now=now).id
        case Operation.REFUND:
            amount = row.position.refundable - row.refunding
            return refunding.store(row, amount, reason=row.reason, key=None, now=now).id
        case _:
            return None


def _last_sent(payment_id: UUID) -> datetime | None:
    """When the authorization last left this house; None if it surely never did."""
    rows = models.Attempt.objects.filter(
        payment_id=payment_id, operation=Operation.AUTHORIZE
    ).exclude(state=AttemptState.DUE)
    return rows.order_by("-sent_at").values_list("sent_at", flat=True).first()


def _give_up(
    payment_id: UUID, state: PaymentState, sent: datetime | None, *, now: datetime
) -> models.Payment:
    with atomic("payment"):
        row = books.lock(payment_id)
        assert row is not None  # noqa: S101 (payments are never deleted)
        # Somebody may have asked again or got the answer since we looked.
        if row.state in UNANSWERED and _last_sent(payment_id) == sent:
            settlement.give_up(row, state=state, code=NOT_RECEIVED, now=now)
    return row
