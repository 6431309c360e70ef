"""Reads that return contract types, and the payments that the API shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Prefetch, QuerySet

from modules.payment import models
from modules.payment.contract import PaymentRecord, PaymentState, Refund, RefundState
from modules.payment.domain import OVER
from modules.platform.contracts import Money
from modules.platform.rest.pagination import keyset

MAX_ORDERS = 500  # a call


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPayment:
    """A payment with its refunds, oldest first."""

    payment: PaymentRecord
    refunds: tuple[Refund, ...]


def record(row: models.Payment) -> PaymentRecord:
    """A payment as other modules see it."""

    def money(amount: int) -> Money:
        return Money(amount=amount, currency=row.currency)

    return PaymentRecord(
        id=row.id,
        order_id=row.order_id,
        owner=row.owner,
        provider=row.provider,
        method=row.method,
        state=PaymentState(row.state),
        amount=money(row.amount),
        authorized=money(row.authorized),
        captured=money(row.captured),
        refunded=money(row.refunded),
        decline_code=row.decline_code,
        next_action=row.next_action,
        created_at=row.created_at,
        version=row.version,
    )


def refund_record(row: models.Refund, payment: models.Payment) -> Refund:
    """A refund as other modules see it."""
    return Refund(
        id=row.id,
        payment_id=payment.id,
        order_id=payment.order_id,
        state=RefundState(row.state),
        amount=Money(amount=row.amount, currency=payment.currency),
        reason=row.reason,
        created_at=row.created_at,
    )


def payments_of(order_ids: Iterable[UUID]) -> tuple[PaymentRecord, ...]:
    """The payments of the orders, oldest first."""
    rows = models.Payment.objects.filter(order_id__in=list(order_ids)[:MAX_ORDERS])
    return tuple(record(row) for row in rows.order_by("id"))


def effective(order_id: UUID) -> models.Payment | None:
    """The order's payment that is neither declined nor voided, if it has one."""
    rows = models.Payment.objects.filter(order_id=order_id, stray=False)
    return rows.exclude(state__in=[str(state) for state in OVER]).first()


def latest(order_id: UUID) -> models.Payment | None:
    """The order's effective payment, else its last one."""
    rows = models.Payment.objects.filter(order_id=order_id, stray=False).order_by("-id")
    return effective(order_id) or rows.first()


def shown_page(
    order_id: UUID, *, owners: Collection[str] | None, cursor: str, limit: int
) -> tuple[list[ShownPayment], str | None, str | None]:
    """The order's payments, newest first, and the cursors of the next and the previous page.

    ``owners`` None: whosever they are. Two statements for any number. Raises Problem 422 for a
    cursor of another list.
    """
    rows = _of(owners).filter(order_id=order_id)
    found, after, before = keyset(rows, order=("-id",), cursor=cursor, limit=limit)
    return [_shown(row) for row in found], after, before


def shown(payment_id: UUID, *, owners: Collection[str] | None = None) -> ShownPayment | None:
    """One payment; None if there is none such, or it is not of these owners."""
    row = _of(owners).filter(pk=payment_id).first()
    return _shown(row) if row else None


def order_of(payment_id: UUID) -> UUID | None:
    """The order that the payment is for; None if there is no such payment."""
    rows = models.Payment.objects.filter(pk=payment_id)
    return rows.values_list("order_id", flat=True).first()


def _of(owners: Collection[str] | None) -> QuerySet[models.Payment]:
    refunds = Prefetch("refunds", models.Refund.objects.order_by("id"))
    rows = models.Payment.objects.prefetch_related(refunds)
    return rows if owners is None else rows.filter(owner__in=sorted(owners))


def _shown(row: models.Payment) -> ShownPayment:
    """From a row with its refunds prefetched."""
    refunds = tuple(refund_record(refund, row) for refund in row.refunds.all())
    return ShownPayment(payment=record(row), refunds=refunds)
