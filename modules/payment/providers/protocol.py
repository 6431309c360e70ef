"""What payment asks of any provider. Every answer is the whole charge as it stands then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from modules.payment.domain import Charge

# What commands ask; the rest is for webhooks and the reconciler.
ASKING = ("authorize", "capture", "void", "refund", "fetch", "find")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """An amount to set aside. The ids travel along, so that a charge can be found by them."""

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str
    method: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A verified webhook. ``charge`` is None when the provider must be asked for it."""

    id: str
    type: str
    reference: str
    charge: Charge | None


class Provider(Protocol):
    """A provider's client. Calls take the time in seconds that is left for them.

    All raise NotSent, AnswerLost and Refused. ``key`` is the provider's idempotency key.
    """

    name: str

    def authorize(self, request: AuthorizeRequest, *, key: str, timeout: float) -> Charge:
        """Set the amount aside; a declined charge is an answer, not an error.

        Refused with code ``method_unknown`` when the method is not one of the provider's.
        """
        ...

    def capture(self, reference: str, amount: int, *, key: str, timeout: float) -> Charge: ...

    def void(self, reference: str, *, key: str, timeout: float) -> Charge: ...

    def refund(
        self, reference: str, amount: int, refund_id: UUID, *, key: str, timeout: float
    ) -> Charge: ...

    def fetch(self, reference: str, *, timeout: float) -> Charge:
        """The charge as it stands. Refused when the provider has none such."""
        ...

    def find(self, payment_id: UUID, *, since: datetime, timeout: float) -> Charge | None:
        """The charge made for our payment, or None. ``since``: it was asked for then."""
        ...

    def recent(self, *, since: datetime, timeout: float) -> Iterable[Charge]:
        """The charges made since then, of this shop and of others on the same account."""
        ...

    def read(self, body: bytes, headers: Mapping[str, str]) -> Message:
        """A webhook, once its signature is checked. Raises BadSignature.

        ``headers`` have lower-case names.
        """
        ...
