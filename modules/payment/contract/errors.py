"""Errors of payment.

PaymentError
├── Declined              Conflict
├── ActionRequired        Conflict      the shopper must confirm with the bank
├── PaymentNotFound       NotFound
├── PaymentMethodUnknown  Invalid
├── CurrencyMismatch      Invalid
├── AmountNotPositive     Invalid
├── OrderAlreadyPaid      Conflict      by another command, and its payment stands
├── RefundExceedsCapture  Conflict
├── NotCapturable         Conflict
├── NotVoidable           Conflict
├── NotStanding           Conflict      the order's money is with another payment
├── OutcomeUnknown        Unavailable   asked, no answer: the same command settles it later
└── ProviderUnavailable   Unavailable   not asked, or refused before anything was done
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from modules.payment.contract.types import PaymentState
from modules.platform.contracts import (
    Conflict,
    ContractError,
    Invalid,
    Money,
    NotFound,
    Unavailable,
)


class PaymentError(ContractError):
    """Root of the module's errors."""

    code = "payment.error"


NOT_RECEIVED = "not_received"  # as decline_code: the provider never got the request


@dataclass(kw_only=True, eq=False)
class Declined(PaymentError, Conflict):
    """The provider refused the payment, or never got the request (``NOT_RECEIVED``)."""

    code = "payment.declined"
    order_id: UUID
    decline_code: str

    def sentence(self) -> str:
        return f"The payment was declined ({self.decline_code})."


@dataclass(kw_only=True, eq=False)
class ActionRequired(PaymentError, Conflict):
    """The shopper must confirm the payment at ``next_action``."""

    code = "payment.action_required"
    order_id: UUID
    next_action: str

    def sentence(self) -> str:
        return f"The payment needs the shopper's confirmation at {self.next_action}."


@dataclass(kw_only=True, eq=False)
class PaymentNotFound(PaymentError, NotFound):
    """The order has no payment."""

    code = "payment.not_found"
    order_id: UUID

    def sentence(self) -> str:
        return f"Order {self.order_id} has no payment."


@dataclass(kw_only=True, eq=False)
class PaymentMethodUnknown(PaymentError, Invalid):
    """The provider does not know this method."""

    code = "payment.method_unknown"
    method: str

    def sentence(self) -> str:
        return f"Payment method {self.method} is not known."


@dataclass(kw_only=True, eq=False)
class RefundExceedsCapture(PaymentError, Conflict):
    """More than was captured and not yet refunded."""

    code = "payment.refund_exceeds_capture"
    requested: Money
    refundable: Money

    def sentence(self) -> str:
        return f"{self.requested} cannot be refunded; {self.refundable} is left."


@dataclass(kw_only=True, eq=False)
class NotCapturable(PaymentError, Conflict):
    """The payment's state does not allow a capture, or not of that much."""

    code = "payment.not_capturable"
    order_id: UUID
    state: PaymentState

    def sentence(self) -> str:
        return f"The payment of order {self.order_id} is {self.state} and cannot be captured."


@dataclass(kw_only=True, eq=False)
class NotVoidable(PaymentError, Conflict):
    """Nothing is authorized that could still be given up."""

    code = "payment.not_voidable"
    order_id: UUID
    state: PaymentState

    def sentence(self) -> str:
        return f"The payment of order {self.order_id} is {self.state} and cannot be voided."


@dataclass(kw_only=True, eq=False)
class NotStanding(PaymentError, Conflict):
    """The named payment is not the order's standing one, so nothing was done to either."""

    code = "payment.not_standing"
    order_id: UUID
    payment_id: UUID

    def sentence(self) -> str:
        return f"Payment {self.payment_id} is not the one that stands for order {self.order_id}."


@dataclass(kw_only=True, eq=False)
class OrderAlreadyPaid(PaymentError, Conflict):
    """Another command's payment for the order stands; it must be cancelled first."""

    code = "payment.order_already_paid"
    order_id: UUID
    payment_id: UUID

    def sentence(self) -> str:
        return f"Order {self.order_id} has payment {self.payment_id} already."


@dataclass(kw_only=True, eq=False)
class CurrencyMismatch(PaymentError, Invalid):
    """The command's money is of another currency than the payment."""

    code = "payment.currency_mismatch"
    given: str
    expected: str

    def sentence(self) -> str:
        return f"The payment is in {self.expected}, not in {self.given}."


@dataclass(kw_only=True, eq=False)
class AmountNotPositive(PaymentError, Invalid):
    """A payment must be over something."""

    code = "payment.amount_not_positive"
    amount: Money

    def sentence(self) -> str:
        return f"{self.amount} cannot be paid."


@dataclass(kw_only=True, eq=False)
class OutcomeUnknown(PaymentError, Unavailable):
    """The provider was asked and did not answer in time."""

    code = "payment.outcome_unknown"
    order_id: UUID

    def sentence(self) -> str:
        return f"The provider has not said how the payment of order {self.order_id} ended."


@dataclass(kw_only=True, eq=False)
class ProviderUnavailable(PaymentError, Unavailable):
    """The provider cannot be reached; nothing was asked of it."""

    code = "payment.provider_unavailable"
    provider: str

    def sentence(self) -> str:
        return f"Payment provider {self.provider} cannot be reached."
