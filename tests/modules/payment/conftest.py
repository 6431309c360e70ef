"""The stand-in as a real process, and commands made short."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from modules.payment.contract import (
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    Declined,
    PaymentRecord,
    RefundPayment,
)
from modules.payment.service import PaymentService
from modules.platform.contracts import Money
from tests.standin import SECRET, StandIn


@pytest.fixture(scope="session")
def standin_process() -> Iterator[StandIn]:
    """One stand-in for the whole session; its ledger tells orders apart."""
    with StandIn.started() as standin:
        yield standin


@pytest.fixture
def standin(standin_process: StandIn, settings: Any) -> Iterator[StandIn]:
    """The stand-in as the shop's provider, without faults and webhooks to begin with."""
    settings.PAYMENT_PROVIDER = "standin"
    settings.STANDIN_URL = standin_process.url
    settings.STANDIN_WEBHOOK_SECRET = SECRET
    standin_process.no_faults()
    standin_process.webhooks(url="", mode="normal", delay_seconds=1.0, only_async=False)
    yield standin_process
    standin_process.no_faults()
    standin_process.webhooks(url="")


@pytest.fixture
def fresh_standin(tmp_path: Path, settings: Any) -> Iterator[StandIn]:
    """A stand-in that knows nothing of other tests, for those that read all its charges."""
    settings.PAYMENT_PROVIDER = "standin"
    settings.STANDIN_WEBHOOK_SECRET = SECRET
    with StandIn.started(tmp_path) as standin:
        settings.STANDIN_URL = standin.url
        yield standin


@pytest.fixture
def service(standin: StandIn) -> PaymentService:
    return PaymentService()


@pytest.fixture
def order_id() -> UUID:
    return uuid4()


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


@pytest.fixture
def authorize(order_id: UUID) -> Callable[..., AuthorizePayment]:
    """An AuthorizePayment of 100.00 EUR; say what differs."""

    def make(method: str = "card_ok", **given: Any) -> AuthorizePayment:
        defaults: dict[str, Any] = {
            "idempotency_key": "saga:authorize",
            "order_id": order_id,
            "amount": eur(10_000),
            "method": method,
            "owner": "customer:1",
            "email": "ann@example.com",
        }
        return AuthorizePayment(**(defaults | given))

    return make


@pytest.fixture
def declined(
    service: PaymentService, authorize: Callable[..., AuthorizePayment], order_id: UUID
) -> PaymentRecord:
    """The order's first try, refused by the bank: any other payment of the order comes after."""
    with pytest.raises(Declined):
        service.authorize(authorize("card_declined", idempotency_key="first try"))
    (record,) = service.payments(order_ids=(order_id,))
    return record


@pytest.fixture
def capture(order_id: UUID) -> Callable[..., CapturePayment]:
    """A CapturePayment; all that is left unless an amount is given."""

    def make(amount: int | None = None, key: str = "saga:capture") -> CapturePayment:
        money = None if amount is None else eur(amount)
        return CapturePayment(idempotency_key=key, order_id=order_id, amount=money)

    return make


@pytest.fixture
def cancel(order_id: UUID) -> CancelPayment:
    return CancelPayment(idempotency_key="saga:cancel", order_id=order_id, reason="out of stock")


@pytest.fixture
def refund(order_id: UUID) -> Callable[..., RefundPayment]:
    """A RefundPayment; all that is left unless an amount is given."""

    def make(amount: int | None = None, key: str = "refund:1") -> RefundPayment:
        money = None if amount is None else eur(amount)
        return RefundPayment(
            idempotency_key=key, order_id=order_id, amount=money, reason="goods came back"
        )

    return make
