"""Payment in numbers, for Prometheus; counted where a transition is stored, once it is committed.

A process that dies in between leaves a step out: the ledger is exact, these are for watching.
"""

from __future__ import annotations

from functools import partial

from django.db import transaction
from prometheus_client import Counter

from modules.payment import models
from modules.payment.contract import PaymentState, RefundState
from modules.payment.domain import Position, is_stray
from modules.platform.databases import alias_of

PAYMENTS = Counter(
    "ficus_payment_payments_total",
    "Payments by what became of them; one counts once under each outcome that it reaches",
    ["provider", "outcome"],
)
DECLINED = Counter(
    "ficus_payment_declined_total", "Payments that were declined, by why", ["provider", "code"]
)
CAPTURED = Counter(
    "ficus_payment_captured_amount_total", "Money taken, in minor units", ["provider", "currency"]
)
REFUNDS = Counter(
    "ficus_payment_refunds_total", "Refunds, by how they ended", ["provider", "outcome"]
)
REFUNDED = Counter(
    "ficus_payment_refunded_amount_total",
    "Money given back, in minor units",
    ["provider", "currency"],
)
STRAY = "stray"  # money turned up for a payment that had been given up as never made
# States that are outcomes by themselves; the others are told by the totals.
_OUTCOMES = frozenset(
    {
        PaymentState.UNKNOWN,
        PaymentState.REQUIRES_ACTION,
        PaymentState.DECLINED,
        PaymentState.VOIDED,
    }
)


def count_step(row: models.Payment, before: Position) -> None:
    """A locked payment went from ``before`` to what the row says. Part of the transaction."""
    step = partial(_step, row.provider, row.currency, row.decline_code, before, row.position)
    transaction.on_commit(step, using=alias_of("payment"), robust=True)


def count_refund(row: models.Payment, outcome: RefundState, *, amount: int = 0) -> None:
    """A refund of a locked payment ended; ``amount`` went back. Part of the transaction."""
    ended = partial(_refund, row.provider, row.currency, outcome, amount)
    transaction.on_commit(ended, using=alias_of("payment"), robust=True)


def outcomes(before: Position, after: Position) -> set[str]:
    """What the step reached that had not been reached before."""
    new = _reached(after) - _reached(before)
    return new | {STRAY} if is_stray(before, after) else new


def _reached(position: Position) -> set[str]:
    totals = {
        PaymentState.AUTHORIZED: position.authorized,
        PaymentState.CAPTURED: position.captured,
        PaymentState.REFUNDED: position.refunded,
    }
    found = {str(name) for name, total in totals.items() if total}
    return found | {str(position.state)} if position.state in _OUTCOMES else found


def _step(provider: str, currency: str, code: str, before: Position, after: Position) -> None:
    new = outcomes(before, after)
    for outcome in new:
        PAYMENTS.labels(provider, outcome).inc()
    if PaymentState.DECLINED in new:
        DECLINED.labels(provider, code).inc()
    if after.captured > before.captured:
        CAPTURED.labels(provider, currency).inc(after.captured - before.captured)


def _refund(provider: str, currency: str, outcome: RefundState, amount: int) -> None:
    REFUNDS.labels(provider, str(outcome)).inc()
    if amount:
        REFUNDED.labels(provider, currency).inc(amount)
