"""The Payment port's contract, by every way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from modules.payment.contract import (
    ActionRequired,
    AmountNotPositive,
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    CurrencyMismatch,
    Declined,
    NotCapturable,
    OrderAlreadyPaid,
    OutcomeUnknown,
    Payment,
    PaymentMethodUnknown,
    PaymentNotFound,
    PaymentRecord,
    PaymentState,
    ProviderUnavailable,
    Refund,
    RefundExceedsCapture,
    RefundPayment,
    RefundState,
)
from modules.payment.service import PaymentService
from modules.platform.binding import methods_of, use
from modules.platform.contracts import Money, deadline_in
from tests.contracts.ways import Way
from tests.standin import SECRET, StandIn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def process() -> Iterator[StandIn]:
    with StandIn.started() as standin:
        yield standin


@pytest.fixture
def standin(process: StandIn, settings: Any) -> StandIn:
    settings.PAYMENT_PROVIDER = "standin"
    settings.STANDIN_URL = process.url
    settings.STANDIN_WEBHOOK_SECRET = SECRET
    process.no_faults()
    return process


@pytest.fixture
def port(way: Way, standin: StandIn) -> Iterator[Payment]:
    with way(Payment, PaymentService()):
        yield use(Payment)


@pytest.fixture
def order_id() -> UUID:
    return uuid4()


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


def authorization(order_id: UUID, method: str = "card_ok", **given: Any) -> AuthorizePayment:
    defaults: dict[str, Any] = {
        "idempotency_key": "a",
        "order_id": order_id,
        "amount": eur(5_000),
        "method": method,
        "owner": "customer:1",
    }
    return AuthorizePayment(**(defaults | given))


def capture(order_id: UUID, amount: int | None = None) -> CapturePayment:
    money = None if amount is None else eur(amount)
    return CapturePayment(idempotency_key="c", order_id=order_id, amount=money)


def refund(order_id: UUID, amount: int | None = None) -> RefundPayment:
    money = None if amount is None else eur(amount)
    return RefundPayment(idempotency_key="r", order_id=order_id, amount=money, reason="returned")


def test_the_port_is_one():
    """Every method's types may cross a contract."""
    assert set(methods_of(Payment)) == {"authorize", "capture", "cancel", "refund", "payments"}


def test_authorize_gives_a_record(port, order_id):
    """A record of the same type and content on either route."""
    record = port.authorize(authorization(order_id))
    assert isinstance(record, PaymentRecord)
    assert (record.order_id, record.state, record.authorized) == (
        order_id,
        PaymentState.AUTHORIZED,
        eur(5_000),
    )
    assert port.payments(order_ids=(order_id,)) == (record,)


def test_authorize_is_idempotent(port, order_id):
    """The same key gives the same record."""
    command = authorization(order_id)
    assert port.authorize(command) == port.authorize(command)


def test_capture_and_refund_give_records(port, order_id):
    """Totals are those after the command."""
    port.authorize(authorization(order_id))
    assert port.capture(capture(order_id, 3_000)).captured == eur(3_000)
    given = port.refund(refund(order_id, 1_000))
    assert isinstance(given, Refund)
    assert (given.state, given.amount) == (RefundState.SUCCEEDED, eur(1_000))


def test_cancel_gives_nothing(port, order_id):
    """None, whether there was something to cancel or not."""
    command = CancelPayment(idempotency_key="x", order_id=order_id, reason="failed")
    assert port.cancel(command) is None
    port.authorize(authorization(order_id))
    assert port.cancel(command) is None
    assert port.payments(order_ids=(order_id,))[0].state is PaymentState.VOIDED


def test_payments_of_many_orders(port):
    """Batch-first; unknown orders are simply not there."""
    orders = [uuid4() for _ in range(3)]
    for each in orders:
        port.authorize(authorization(each))
    found = port.payments(order_ids=(*orders, uuid4()))
    assert [record.order_id for record in found] == orders


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("card_declined", Declined),
        ("card_requires_action", ActionRequired),
        ("card_of_a_friend", PaymentMethodUnknown),
    ],
)
def test_authorization_errors_keep_their_type(port, order_id, method, error):
    """The same class with the same sentence on either route."""
    with pytest.raises(error) as caught:
        port.authorize(authorization(order_id, method))
    assert caught.value.code == error.code
    assert str(caught.value)


def test_outcome_unknown_is_retryable(port, way, order_id):
    """OutcomeUnknown says that the same command may be sent again."""
    way.lose_nothing()
    port.authorize(authorization(uuid4()))  # the first one makes connections, which takes time
    with deadline_in(timedelta(seconds=2.5)), pytest.raises(OutcomeUnknown) as caught:
        port.authorize(authorization(order_id, "card_timeout"))
    assert caught.value.retryable
    record = port.authorize(authorization(order_id, "card_timeout"))
    assert record.state is PaymentState.AUTHORIZED


def test_provider_unavailable_is_retryable(port, order_id, settings):
    """ProviderUnavailable names the provider."""
    settings.STANDIN_URL = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable) as caught:
        port.authorize(authorization(order_id))
    assert (caught.value.provider, caught.value.retryable) == ("standin", True)


def test_conflicts_and_absences_keep_their_type(port, order_id):
    """What the state does not allow is said with its figures."""
    with pytest.raises(PaymentNotFound):
        port.capture(capture(order_id))
    with pytest.raises(AmountNotPositive):
        port.authorize(authorization(order_id, amount=eur(0)))
    port.authorize(authorization(order_id))
    with pytest.raises(OrderAlreadyPaid):
        port.authorize(authorization(order_id, idempotency_key="b"))
    with pytest.raises(NotCapturable) as state:
        port.capture(capture(order_id, 5_001))
    assert state.value.state is PaymentState.AUTHORIZED
    with pytest.raises(RefundExceedsCapture) as limit:
        port.refund(refund(order_id, 1))
    assert limit.value.refundable == eur(0)
    dollars = Money(amount=1, currency="USD")
    with pytest.raises(CurrencyMismatch):
        port.capture(CapturePayment(idempotency_key="d", order_id=order_id, amount=dollars))
