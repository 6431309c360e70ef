"""What happened to payments."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.platform.contracts import Event, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentAuthorized(Event):
    """The amount is set aside."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDeclined(Event):
    """The provider said no."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    decline_code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentCaptured(Event):
    """Money was taken; ``captured`` is the total so far."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    amount: Money
    captured: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentVoided(Event):
    """The authorization was given up; nothing was taken."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded(Event):
    """Money went back; ``refunded`` is the total so far."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    refund_id: UUID
    amount: Money
    refunded: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFailed(Event):
    """An authorization could not be captured for good (expired, revoked)."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentUnclaimed(Event):
    """Money is set aside or taken and no order has claimed it in time: confirm it or cancel it."""

    KEY = "order_id"
    order_id: UUID
    payment_id: UUID
    amount: Money
