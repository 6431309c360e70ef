"""What the order says of its payment: take it, or give it back. Rows only; tasks do the asking."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from modules.payment import attempts, models
from modules.payment.domain import AT_REST, Claim
from modules.payment.tasks import close_payment, run_attempt
from modules.platform.contracts import Money
from modules.platform.messaging import after_commit


def confirm(order_id: UUID, *, total: Money, now: datetime) -> None:
    """The order stands: its total is to be taken. Part of the open transaction.

    The intent is a due attempt, stored once however often this is said.
    """
    intent = attempts.store_confirmed_capture(order_id, total, key=f"confirmed:{order_id}", now=now)
    if intent is not None:
        after_commit("payment", run_attempt, str(intent))


def give_back(order_id: UUID, *, reason: str, now: datetime) -> None:
    """The order does not stand: nothing of its money may stay. Part of the open transaction."""
    rows = models.Payment.objects.filter(order_id=order_id)
    rows = rows.exclude(state__in=[str(state) for state in AT_REST])
    for payment_id in list(rows.order_by("id").values_list("id", flat=True)):
        models.Payment.objects.filter(pk=payment_id).update(
            claim=Claim.CANCELLED, reason=reason[:500], due_at=now
        )
        after_commit("payment", close_payment, str(payment_id))
