"""Rows of refunds: stored before they are asked for, settled by what the provider says of each."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from modules.payment import attempts, metrics, models
from modules.payment.contract import RefundState
from modules.payment.domain import Charge, ChargeRefund, Operation


def store(
    row: models.Payment, amount: int, *, reason: str, key: str | None, now: datetime
) -> models.Attempt:
    """A refund and its due attempt, on a locked payment; the amount is set aside for it."""
    refund = models.Refund.objects.create(
        payment_id=row.id, amount=amount, reason=reason[:500], created_at=now
    )
    row.refunding += amount
    models.Payment.objects.filter(pk=row.pk).update(refunding=row.refunding)
    return attempts.store(row, Operation.REFUND, amount, key=key, now=now, refund_id=refund.id)


def fail(row: models.Payment, refund_id: UUID, error: str) -> None:
    """The provider refuses the refund of a locked payment: its amount is free again."""
    pending = models.Refund.objects.filter(pk=refund_id, state=RefundState.PENDING)
    if pending.update(state=RefundState.FAILED, error=error[:200]):
        metrics.count_refund(row, RefundState.FAILED)
    row.refunding = _pending(row, models.Refund.objects.filter(payment_id=row.id))
    models.Payment.objects.filter(pk=row.pk).update(refunding=row.refunding)


def settle(row: models.Payment, charge: Charge, *, now: datetime) -> list[models.Refund]:
    """Bring the refunds of a locked payment to what the provider says; those newly made.

    Sets ``row.refunding``, which the caller stores.
    """
    if not charge.refunds:
        return []
    known = list(models.Refund.objects.filter(payment_id=row.id))
    by_id = {refund.id: refund for refund in known}
    by_reference = {refund.reference: refund for refund in known if refund.reference}
    succeeded = []
    for said in charge.refunds:
        refund = by_reference.get(said.reference) or (said.refund_id and by_id.get(said.refund_id))
        if not refund:
            refund = _made_elsewhere(row, said, now=now)
            known.append(refund)
        if not _take_over(refund, said):
            continue
        if said.state is RefundState.FAILED:
            metrics.count_refund(row, said.state)
            continue
        metrics.count_refund(row, said.state, amount=refund.amount)
        succeeded.append(refund)
    newly = sum(refund.amount for refund in succeeded)
    row.refunding = _pending(row, known, newly=newly)
    return succeeded


def _take_over(refund: models.Refund, said: ChargeRefund) -> bool:
    """Whether this word ends the refund."""
    if refund.state != RefundState.PENDING:
        return False
    refund.reference, refund.state = said.reference, said.state
    models.Refund.objects.filter(pk=refund.pk).update(state=said.state, reference=said.reference)
    return said.state is not RefundState.PENDING


def _made_elsewhere(row: models.Payment, said: ChargeRefund, *, now: datetime) -> models.Refund:
    """A refund that somebody made at the provider: it becomes ours."""
    return models.Refund.objects.create(
        payment_id=row.id,
        amount=said.amount,
        reason="made at the provider",
        reference=said.reference,
        created_at=now,
    )


def _pending(row: models.Payment, refunds: Iterable[models.Refund], *, newly: int = 0) -> int:
    """What is asked back and not answered yet; never more than can still be refunded, even if a
    refund made elsewhere came first."""
    asked = sum(refund.amount for refund in refunds if refund.state == RefundState.PENDING)
    return max(0, min(asked, row.captured - row.refunded - newly))
