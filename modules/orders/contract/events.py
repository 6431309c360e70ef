"""What happened to orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from modules.orders.contract.types import OrderLine
from modules.platform.contracts import Event, Money, PostalAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderConfirmed(Event):
    """Stock is held and money set aside: the order stands. Carries all that followers need."""

    KEY = "order_id"
    order_id: UUID
    number: str
    owner: str
    email: str
    locale: str
    lines: tuple[OrderLine, ...]
    subtotal: Money
    discount: Money
    shipping: Money
    tax: Money
    total: Money
    shipping_method: str
    shipping_address: PostalAddress
    placed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFailed(Event):
    """The order could not be placed (declined, out of stock); all was given back."""

    KEY = "order_id"
    order_id: UUID
    number: str
    owner: str
    email: str
    locale: str
    failure_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCancelled(Event):
    """A confirmed order was cancelled as a whole."""

    KEY = "order_id"
    order_id: UUID
    number: str
    owner: str
    email: str
    locale: str
    reason: str
    refunded: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPartiallyCancelled(Event):
    """Some lines were cancelled; ``lines`` carry the cancelled quantities."""

    KEY = "order_id"
    order_id: UUID
    number: str
    owner: str
    email: str
    locale: str
    lines: tuple[OrderLine, ...]
    refunded: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReturned(Event):
    """Goods came back; ``lines`` carry the returned quantities."""

    KEY = "order_id"
    order_id: UUID
    number: str
    owner: str
    email: str
    locale: str
    lines: tuple[OrderLine, ...]
    refunded: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNeedsReview(Event):
    """A person must look at the order; until ``OrderReviewed`` nothing of it should leave."""

    KEY = "order_id"
    order_id: UUID
    number: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReviewed(Event):
    """The order needs nobody's look any more, and goes on."""

    KEY = "order_id"
    order_id: UUID
    number: str
