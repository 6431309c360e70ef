"""Payment's counters, read as Prometheus reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from prometheus_client import REGISTRY

from modules.payment import books, metrics, reconciler, settlement
from modules.payment.contract import ActionRequired, Declined, OutcomeUnknown, PaymentState
from modules.payment.domain import Charge, ChargeStatus, Position
from modules.platform.contracts import deadline_in
from modules.platform.databases import atomic
from tests.modules.payment.records import payment

pytestmark = pytest.mark.django_db(transaction=True)


class Counted:
    """What the counters grew by since this was made."""

    def __init__(self) -> None:
        self._before = self._read()

    def __call__(self) -> dict[tuple[str, ...], float]:
        """``{("payments", "authorized"): 1.0}``: what did not grow is left out."""
        now = self._read()
        grown = {key: value - self._before.get(key, 0.0) for key, value in now.items()}
        return {key: value for key, value in grown.items() if value}

    def _read(self) -> dict[tuple[str, ...], float]:
        return {
            (family.name.removeprefix("ficus_payment_"), *_apart_from_provider(labels)): value
            for family in REGISTRY.collect()
            for name, labels, value, *_ in family.samples
            if name.startswith("ficus_payment_") and name.endswith("_total")
            if labels["provider"] == "standin"
        }


def _apart_from_provider(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(value for name, value in labels.items() if name != "provider")


@pytest.fixture
def counted(standin):
    return Counted()


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def charge(order_id, **changed) -> Charge:
    """What the provider says of the order's payment."""
    row = payment(order_id)
    said = {
        "reference": row.reference,
        "payment_id": row.id,
        "order_id": order_id,
        "status": ChargeStatus.AUTHORIZED,
        "currency": row.currency,
        "amount": row.amount,
        "authorized": row.amount,
        "captured": 0,
        "voided": 0,
        "created_at": row.created_at,
    }
    return Charge(**(said | changed))


def test_a_sale_is_counted_once(service, counted, authorize, capture):
    """Each outcome and each amount once, however often the commands come."""
    for _ in range(2):
        service.authorize(authorize())
        service.capture(capture(6_000, key="a"))
        service.capture(capture(4_000, key="b"))
    assert counted() == {
        ("payments", "authorized"): 1,
        ("payments", "captured"): 1,
        ("captured_amount", "EUR"): 10_000,
    }


def test_refunds_are_counted_with_their_amounts(service, counted, authorize, capture, refund):
    """Two refunds of one payment are two refunds and one refunded payment."""
    service.authorize(authorize())
    service.capture(capture())
    service.refund(refund(1_000, key="a"))
    service.refund(refund(2_000, key="b"))
    found = counted()
    assert found["payments", "refunded"] == 1
    assert found["refunds", "succeeded"] == 2
    assert found["refunded_amount", "EUR"] == 3_000


def test_a_refused_refund_counts_as_failed(service, standin, counted, authorize, capture, refund):
    """Its amount is not counted."""
    service.authorize(authorize())
    service.capture(capture())
    standin.faults("refund", "refuse", code="charge_disputed")
    service.refund(refund())
    found = counted()
    assert found["refunds", "failed"] == 1
    assert ("refunded_amount", "EUR") not in found


def test_a_declined_card_is_counted_with_its_reason(service, counted, authorize):
    """By the bank's code; asking for the outcome again does not count again."""
    for _ in range(2):
        with pytest.raises(Declined):
            service.authorize(authorize("card_declined"))
    assert counted() == {("payments", "declined"): 1, ("declined", "generic_decline"): 1}


def test_a_cancelled_authorization_counts_as_voided(service, counted, authorize, cancel):
    """It was authorized before, and counts as that too."""
    service.authorize(authorize())
    service.cancel(cancel)
    assert counted() == {("payments", "authorized"): 1, ("payments", "voided"): 1}


def test_a_confirmed_action_counts_as_both(service, standin, counted, authorize):
    """How many shoppers were sent to their bank, and how many of them came back."""
    with pytest.raises(ActionRequired) as caught:
        service.authorize(authorize("card_requires_action"))
    standin.confirm(caught.value.next_action)
    service.authorize(authorize("card_requires_action"))
    assert counted() == {("payments", "requires_action"): 1, ("payments", "authorized"): 1}


def test_a_lost_answer_counts_as_unknown_until_it_is_found(service, counted, authorize):
    """The reconciler's find is counted like any other."""
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    assert counted() == {("payments", "unknown"): 1}
    reconciler.reconcile(now=in_seconds(5))
    assert counted() == {("payments", "unknown"): 1, ("payments", "authorized"): 1}


def test_a_request_that_never_arrived_is_counted_as_declined(service, standin, counted, authorize):
    """The reason tells it from the bank's no."""
    standin.faults("authorize", "error")
    with pytest.raises(OutcomeUnknown):
        service.authorize(authorize())
    reconciler.reconcile(now=in_seconds(60))
    assert counted()["declined", "not_received"] == 1


def test_what_is_rolled_back_is_not_counted(service, counted, authorize, order_id):
    """The counters tell of committed money only."""
    service.authorize(authorize())
    said = charge(order_id, status=ChargeStatus.CAPTURED, captured=10_000)
    with atomic("payment"):
        row = books.lock(payment(order_id).id)
        assert settlement.absorb(row, said, source="webhook", now=in_seconds(0))
        transaction.set_rollback(True, using="payment")
    assert counted() == {("payments", "authorized"): 1}


def test_money_for_a_payment_given_up_is_stray(service, counted, authorize, order_id):
    """Somebody should look when this counter moves at all."""
    with pytest.raises(Declined):
        service.authorize(authorize("card_declined"))
    settlement.settle(payment(order_id).id, charge(order_id), source="sweep")
    found = counted()
    assert (found["payments", "stray"], found["payments", "authorized"]) == (1, 1)


def test_a_step_that_tells_of_several_counts_each():
    """A lost capture shows up with its authorization."""
    before = Position(state=PaymentState.UNKNOWN)
    after = Position(state=PaymentState.PARTIALLY_CAPTURED, authorized=100, captured=60)
    assert metrics.outcomes(before, after) == {"authorized", "captured"}
    assert metrics.outcomes(after, after) == set()
