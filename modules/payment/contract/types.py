"""A payment as other modules see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from modules.platform.contracts import Money


class PaymentState(StrEnum):
    """Where a payment stands. UNKNOWN: the provider was asked and its answer is not in yet."""

    CREATED = "created"
    UNKNOWN = "unknown"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    PARTIALLY_CAPTURED = "partially_captured"
    CAPTURED = "captured"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    VOIDED = "voided"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRecord:
    """One payment of one order. ``next_action`` is a URL for the shopper, or empty."""

    id: UUID
    order_id: UUID
    owner: str
    provider: str
    method: str
    state: PaymentState
    amount: Money
    authorized: Money
    captured: Money
    refunded: Money
    decline_code: str
    next_action: str
    created_at: datetime
    version: int


class RefundState(StrEnum):
    """Where a refund stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money on its way back."""

    id: UUID
    payment_id: UUID
    order_id: UUID
    state: RefundState
    amount: Money
    reason: str
    created_at: datetime
