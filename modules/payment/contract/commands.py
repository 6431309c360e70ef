"""What others may tell payment to do. Each is safe to send again with the same key."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Command, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizePayment(Command):
    """Have ``amount`` set aside for the order. ``method`` is such as ``card_ok`` or a token."""

    order_id: UUID
    amount: Money
    method: str
    owner: str
    email: str = ""
    provider: str = ""  # empty: the shop's default provider


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturePayment(Command):
    """Take what was authorized; ``amount`` None means all that is left of it.

    ``payment_id``: of this payment or none; None means whichever stands for the order.
    """

    order_id: UUID
    amount: Money | None = None
    payment_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPayment(Command):
    """Give the order's money back, however far it got: void what is authorized, refund the rest.

    Also settles a payment whose answer is unknown. No payment at all is no error.
    """

    order_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundPayment(Command):
    """Give ``amount`` of what was captured back; None means all that is left.

    ``payment_id``: of this payment or none; None means whichever stands for the order.
    """

    order_id: UUID
    reason: str
    amount: Money | None = None
    payment_id: UUID | None = None
