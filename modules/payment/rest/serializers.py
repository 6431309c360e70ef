"""Bodies of payment's API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from modules.payment.contract import PaymentState, Refund, RefundState
from modules.payment.queries import ShownPayment
from modules.platform.contracts import Money
from modules.platform.rest.identifiers import ALPHABET, ids
from modules.platform.rest.pagination import ListQuery

PAYMENTS, REFUNDS, ORDERS = ids("pay"), ids("ref"), ids("ord")
OrderId = Annotated[str, msgspec.Meta(pattern=f"^ord_[0-7][{ALPHABET}]{{25}}$")]
Reason = Annotated[str, msgspec.Meta(min_length=3, max_length=500)]
MAX_AMOUNT = 10**13  # minor units; far above any order, far below what bigint holds


class MoneyBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An amount in minor units."""

    amount: Annotated[int, msgspec.Meta(ge=1, le=MAX_AMOUNT)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]

    def money(self) -> Money:
        return Money(amount=self.amount, currency=self.currency)


class PaymentsQuery(ListQuery, kw_only=True):
    """Whose payments."""

    order_id: OrderId


class RefundRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Give ``amount`` back; without it, all that is left of what was captured."""

    order_id: OrderId
    reason: Reason
    amount: MoneyBody | None = None


class CaptureRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Take ``amount``; without it, all that is left of what was authorized."""

    amount: MoneyBody | None = None


class VoidRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Why the authorization is given up."""

    reason: Reason


class RefundBody(msgspec.Struct, kw_only=True):
    """Money on its way back, or arrived."""

    id: str
    payment_id: str
    order_id: str
    state: RefundState
    amount: Money
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, refund: Refund) -> RefundBody:
        return cls(
            id=REFUNDS.text(refund.id),
            payment_id=PAYMENTS.text(refund.payment_id),
            order_id=ORDERS.text(refund.order_id),
            state=refund.state,
            amount=refund.amount,
            reason=refund.reason,
            created_at=refund.created_at,
        )


class PaymentBody(msgspec.Struct, kw_only=True):
    """One payment of an order. ``next_action``: where the shopper must go, or null."""

    id: str
    order_id: str
    provider: str
    method: str
    state: PaymentState
    amount: Money
    authorized: Money
    captured: Money
    refunded: Money
    decline_code: str | None
    next_action: str | None
    refunds: list[RefundBody]
    created_at: datetime

    @classmethod
    def of(cls, shown: ShownPayment) -> PaymentBody:
        payment = shown.payment
        return cls(
            id=PAYMENTS.text(payment.id),
            order_id=ORDERS.text(payment.order_id),
            provider=payment.provider,
            method=payment.method,
            state=payment.state,
            amount=payment.amount,
            authorized=payment.authorized,
            captured=payment.captured,
            refunded=payment.refunded,
            decline_code=payment.decline_code or None,
            next_action=payment.next_action or None,
            refunds=[RefundBody.of(refund) for refund in shown.refunds],
            created_at=payment.created_at,
        )


class WebhookAnswer(msgspec.Struct, kw_only=True):
    """The message is ours now. ``duplicate``: it was before."""

    received: bool = True
    duplicate: bool = False
