"""All that other modules may import of payment."""

from modules.payment.contract.commands import (
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    RefundPayment,
)
from modules.payment.contract.errors import (
    ActionRequired,
    AmountNotPositive,
    CurrencyMismatch,
    Declined,
    NotCapturable,
    NotStanding,
    NotVoidable,
    OrderAlreadyPaid,
    OutcomeUnknown,
    PaymentError,
    PaymentMethodUnknown,
    PaymentNotFound,
    ProviderUnavailable,
    RefundExceedsCapture,
)
from modules.payment.contract.events import (
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentUnclaimed,
    PaymentVoided,
)
from modules.payment.contract.port import Payment
from modules.payment.contract.types import (
    PaymentRecord,
    PaymentState,
    Refund,
    RefundState,
)

__all__ = [
    "ActionRequired",
    "AmountNotPositive",
    "AuthorizePayment",
    "CancelPayment",
    "CaptureFailed",
    "CapturePayment",
    "CurrencyMismatch",
    "Declined",
    "NotCapturable",
    "NotStanding",
    "NotVoidable",
    "OrderAlreadyPaid",
    "OutcomeUnknown",
    "Payment",
    "PaymentAuthorized",
    "PaymentCaptured",
    "PaymentDeclined",
    "PaymentError",
    "PaymentMethodUnknown",
    "PaymentNotFound",
    "PaymentRecord",
    "PaymentRefunded",
    "PaymentState",
    "PaymentUnclaimed",
    "PaymentVoided",
    "ProviderUnavailable",
    "Refund",
    "RefundExceedsCapture",
    "RefundPayment",
    "RefundState",
]
