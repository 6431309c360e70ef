"""What other modules may ask of payment."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from modules.payment.contract.commands import (
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    RefundPayment,
)
from modules.payment.contract.types import PaymentRecord, Refund


class Payment(Protocol):
    """Take money for orders, and give it back."""

    def authorize(self, command: AuthorizePayment) -> PaymentRecord:
        """Raises Declined, ActionRequired, PaymentMethodUnknown, AmountNotPositive,
        OrderAlreadyPaid, OutcomeUnknown, ProviderUnavailable. After OutcomeUnknown the same
        command asks for the outcome and never charges twice.
        """
        ...

    def capture(self, command: CapturePayment) -> PaymentRecord:
        """Raises PaymentNotFound, NotStanding, NotCapturable, CurrencyMismatch, OutcomeUnknown,
        ProviderUnavailable.
        """
        ...

    def cancel(self, command: CancelPayment) -> None:
        """Void or refund whatever the order paid. Raises OutcomeUnknown, ProviderUnavailable."""
        ...

    def refund(self, command: RefundPayment) -> Refund:
        """Raises PaymentNotFound, NotStanding, RefundExceedsCapture, CurrencyMismatch,
        OutcomeUnknown, ProviderUnavailable. A refund that the provider refuses comes back as
        FAILED.
        """
        ...

    def payments(self, *, order_ids: tuple[UUID, ...]) -> tuple[PaymentRecord, ...]:
        """The payments of the orders, oldest first. At most 500 orders a call."""
        ...
