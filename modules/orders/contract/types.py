"""An order as other modules see it: an immutable snapshot of what was bought, and its states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from modules.platform.contracts import Money, PostalAddress


class OrderState(StrEnum):
    """Where the order stands as a whole."""

    DRAFT = "draft"
    PENDING = "pending"
    RESERVED = "reserved"
    AUTHORIZED = "authorized"
    CONFIRMED = "confirmed"
    CAPTURED = "captured"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CLOSED = "closed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    NEEDS_REVIEW = "needs_review"


class OrderPaymentState(StrEnum):
    """What is paid of it."""

    UNPAID = "unpaid"
    AUTHORIZED = "authorized"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    FAILED = "failed"


class FulfilmentState(StrEnum):
    """What is delivered of it."""

    UNFULFILLED = "unfulfilled"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    RETURNED = "returned"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """One SKU of an order as it was sold; ``total`` includes ``tax`` and has ``discount`` off."""

    sku: str
    product_id: UUID
    name: str
    quantity: int
    unit_price: Money
    discount: Money
    total: Money
    tax: Money
    weight_grams: int
    cancelled: int = 0
    returned: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order. ``number`` is for people; ``failure_code`` says why it failed, or is empty."""

    id: UUID
    number: str
    owner: str
    email: str
    cart_id: UUID | None
    state: OrderState
    payment_state: OrderPaymentState
    fulfilment_state: FulfilmentState
    failure_code: str
    failure_detail: str
    lines: tuple[OrderLine, ...]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    shipping_method: str
    payment_method: str
    shipping_address: PostalAddress
    billing_address: PostalAddress | None
    next_action: str
    placed_at: datetime
    version: int
    locale: str = "en"
    refunded: int = 0  # minor units of ``total``'s currency, so far
