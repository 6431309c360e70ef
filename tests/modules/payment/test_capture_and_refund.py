"""Capturing and refunding, in parts and in whole, against the stand-in."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from modules.payment import models
from modules.payment.contract import (
    CapturePayment,
    CurrencyMismatch,
    NotCapturable,
    NotStanding,
    NotVoidable,
    OutcomeUnknown,
    Payment,
    PaymentNotFound,
    PaymentState,
    RefundExceedsCapture,
    RefundPayment,
    RefundState,
)
from modules.platform.binding import CodecRoute, routed, use
from modules.platform.contracts import Money, deadline_in
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    eur,
    ledger,
    payloads,
    payment,
    published,
)

pytestmark = pytest.mark.django_db(transaction=True)


def soon():
    return deadline_in(timedelta(seconds=0.4))


@pytest.fixture
def authorized(service, authorize):
    return service.authorize(authorize())


@pytest.fixture
def captured(service, authorized, capture):
    return service.capture(capture())


def test_capture_takes_all_that_is_left(service, authorized, capture, order_id):
    """Without an amount the whole authorization is taken."""
    record = service.capture(capture())
    assert (record.state, record.captured) == (PaymentState.CAPTURED, eur(10_000))
    assert ledger(order_id) == {"authorization": 10_000, "capture": 10_000}
    assert published(order_id) == ["payment_authorized", "payment_captured"]


def test_partial_captures_add_up(service, authorized, capture, order_id):
    """Each capture's event carries its own amount and the total so far."""
    first = service.capture(capture(3_000, "a"))
    assert (first.state, first.captured) == (PaymentState.PARTIALLY_CAPTURED, eur(3_000))
    last = service.capture(capture(None, "b"))
    assert (last.state, last.captured) == (PaymentState.CAPTURED, eur(10_000))
    told = payloads(order_id, "payment_captured")
    assert [(e["amount"]["amount"], e["captured"]["amount"]) for e in told] == [
        (3_000, 3_000),
        (7_000, 10_000),
    ]
    assert_ledger_equals_totals(order_id)


def test_capturing_again_with_the_same_key_takes_nothing(
    service, standin, authorized, capture, order_id
):
    """The same command is the same capture."""
    service.capture(capture(3_000))
    assert service.capture(capture(3_000)).captured == eur(3_000)
    assert len(standin.operations(order_id, "capture")) == 1


@pytest.mark.parametrize("amount", [10_001, 0, -5])
def test_more_than_authorized_or_nothing_is_not_captured(
    service, standin, authorized, capture, amount, order_id
):
    """Amounts out of range are refused before the provider is asked."""
    with pytest.raises(NotCapturable):
        service.capture(capture(amount))
    assert standin.operations(order_id, "capture") == []


def test_what_is_captured_cannot_be_captured_again(service, captured, capture):
    """A second command finds nothing left."""
    with pytest.raises(NotCapturable):
        service.capture(capture(key="second"))


def test_capture_of_nothing_known_is_not_found(service, capture):
    """An order without a payment has none to capture."""
    with pytest.raises(PaymentNotFound):
        service.capture(capture())


def test_capture_in_another_currency_is_refused(service, authorized, order_id):
    """Money of two currencies is never mixed."""
    with pytest.raises(CurrencyMismatch):
        service.capture(
            CapturePayment(
                idempotency_key="x", order_id=order_id, amount=Money(amount=1, currency="USD")
            )
        )


@pytest.mark.parametrize("kind", ["hold", "reset", "drop", "error", "error_after", "unavailable"])
def test_a_broken_capture_is_made_once(service, standin, authorized, capture, kind, order_id):
    """Whatever happens to the call, repeating the command ends in one capture."""
    standin.faults("capture", kind, times=2, seconds=1)
    for _ in range(4):
        try:
            with soon():
                record = service.capture(capture(4_000))
        except OutcomeUnknown:
            continue
    assert record.captured == eur(4_000)
    assert len(standin.operations(order_id, "capture")) == 1
    assert_ledger_equals_totals(order_id)


def test_a_refused_capture_fails_for_good(service, standin, authorized, capture, order_id):
    """An authorization that the bank has withdrawn is told of as CaptureFailed."""
    standin.faults("capture", "refuse", code="authorization_expired")
    with pytest.raises(NotCapturable):
        service.capture(capture())
    assert published(order_id) == ["payment_authorized", "capture_failed"]
    assert payloads(order_id, "capture_failed")[0]["reason"] == "authorization_expired"


def test_captures_at_once_never_exceed_the_authorization(service, standin, authorized, order_id):
    """Eight buyers of 3000 out of 10000: three get it."""
    start = threading.Barrier(8)

    def one(number: int) -> bool:
        start.wait()
        try:
            service.capture(
                CapturePayment(idempotency_key=f"c{number}", order_id=order_id, amount=eur(3_000))
            )
        except NotCapturable:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 3
    assert payment(order_id).captured == 9_000
    assert_ledger_equals_totals(order_id)


def test_refund_gives_all_back(service, standin, captured, refund, order_id):
    """Without an amount all that was captured goes back."""
    done = service.refund(refund())
    assert (done.state, done.amount) == (RefundState.SUCCEEDED, eur(10_000))
    assert payment(order_id).state == PaymentState.REFUNDED
    assert standin.charges(order_id)[0]["refunded"] == 10_000
    assert_ledger_equals_totals(order_id)


def test_partial_refunds_add_up(service, captured, refund, order_id):
    """Each refund's event carries its id, its amount and the total so far."""
    first = service.refund(refund(2_500, "a"))
    assert payment(order_id).state == PaymentState.PARTIALLY_REFUNDED
    second = service.refund(refund(None, "b"))
    assert second.amount == eur(7_500)
    told = payloads(order_id, "payment_refunded")
    assert [e["refund_id"] for e in told] == [str(first.id), str(second.id)]
    assert [e["refunded"]["amount"] for e in told] == [2_500, 10_000]
    assert_ledger_equals_totals(order_id)


def test_refunding_again_with_the_same_key_is_the_same_refund(
    service, standin, captured, refund, order_id
):
    """The same command gives the same refund and moves nothing."""
    assert service.refund(refund(2_500)) == service.refund(refund(2_500))
    assert len(standin.operations(order_id, "refund")) == 1


def test_more_than_was_captured_is_not_refunded(service, authorized, capture, refund):
    """The limit is what was captured and not yet refunded, and the error says how much that is."""
    service.capture(capture(4_000))
    service.refund(refund(1_500, "a"))
    with pytest.raises(RefundExceedsCapture) as caught:
        service.refund(refund(2_501, "b"))
    assert (caught.value.requested, caught.value.refundable) == (eur(2_501), eur(2_500))


def test_an_authorization_is_not_refunded(service, authorized, refund):
    """Nothing was captured: there is nothing to refund."""
    with pytest.raises(RefundExceedsCapture):
        service.refund(refund())


def test_refund_of_nothing_known_is_not_found(service):
    """An order without a payment has none to refund."""
    with pytest.raises(PaymentNotFound):
        service.refund(RefundPayment(idempotency_key="k", order_id=uuid4(), reason="none"))


@pytest.mark.parametrize("kind", ["hold", "reset", "drop", "error", "error_after"])
def test_a_broken_refund_is_made_once(service, standin, captured, refund, kind, order_id):
    """Whatever happens to the call, repeating the command ends in one refund."""
    standin.faults("refund", kind, times=2, seconds=1)
    for _ in range(4):
        try:
            with soon():
                done = service.refund(refund(4_000))
        except OutcomeUnknown:
            continue
    assert done.state is RefundState.SUCCEEDED
    assert len(standin.operations(order_id, "refund")) == 1
    assert payment(order_id).refunding == 0


def test_a_refund_under_way_counts_against_the_next(service, standin, captured, refund):
    """While one refund's outcome is unknown its amount is not refundable a second time."""
    standin.faults("refund", "hold", seconds=1)
    with soon(), pytest.raises(OutcomeUnknown):
        service.refund(refund(6_000, "a"))
    with pytest.raises(RefundExceedsCapture) as caught:
        service.refund(refund(6_000, "b"))
    assert caught.value.refundable == eur(4_000)


def test_a_refused_refund_fails_and_frees_its_amount(service, standin, captured, refund, order_id):
    """FAILED is an answer; the money can be refunded by another command."""
    standin.faults("refund", "refuse", code="account_closed")
    assert service.refund(refund(6_000, "a")).state is RefundState.FAILED
    assert payment(order_id).refunding == 0
    assert service.refund(refund(10_000, "b")).state is RefundState.SUCCEEDED
    assert models.Refund.objects.get(state="failed").error == "account_closed"


def test_refunds_at_once_never_exceed_the_capture(service, standin, captured, order_id):
    """Eight refunds of 3000 out of 10000: three go back."""
    start = threading.Barrier(8)

    def one(number: int) -> bool:
        start.wait()
        command = RefundPayment(
            idempotency_key=f"r{number}", order_id=order_id, amount=eur(3_000), reason="race"
        )
        try:
            service.refund(command)
        except RefundExceedsCapture:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 3
    assert standin.charges(order_id)[0]["refunded"] == 9_000
    assert_ledger_equals_totals(order_id)


def test_void_gives_an_authorization_up(service, standin, authorized, order_id):
    """Staff may void what is not captured."""
    assert service.void(order_id=order_id, reason="fraud").state is PaymentState.VOIDED
    assert standin.charges(order_id)[0]["voided"] == 10_000


def test_void_does_not_refund(service, captured, order_id):
    """What was captured is refunded on purpose, not voided by mistake."""
    with pytest.raises(NotVoidable):
        service.void(order_id=order_id, reason="fraud")


@pytest.mark.parametrize("act", ["capture", "void"])
def test_a_named_payment_that_does_not_stand_is_refused(
    act, service, standin, declined, authorized, capture, order_id
):
    """The authorized payment beside the named one stays as it is, to the row."""
    before = models.Payment.objects.filter(pk=authorized.id).values().get()
    acts = {
        "capture": lambda: service.capture(replace(capture(), payment_id=declined.id)),
        "void": lambda: service.void(order_id=order_id, reason="fraud", payment_id=declined.id),
    }
    with pytest.raises(NotStanding) as refused:
        acts[act]()
    assert (refused.value.order_id, refused.value.payment_id) == (order_id, declined.id)
    assert models.Payment.objects.filter(pk=authorized.id).values().get() == before
    assert standin.operations(order_id, act) == []


def test_a_payment_of_another_order_is_refused(service, captured, refund):
    """Order and payment must belong together."""
    with pytest.raises(NotStanding):
        service.refund(replace(refund(), payment_id=uuid4()))


def test_the_same_key_does_not_answer_for_another_payment(service, captured, capture, refund):
    """What the key stored is of the captured payment; a command that names another is refused."""
    service.refund(refund())
    for again in (service.capture, capture()), (service.refund, refund()):
        act, command = again
        assert act(replace(command, payment_id=captured.id))
        with pytest.raises(NotStanding):
            act(replace(command, payment_id=uuid4()))


def test_naming_the_payment_costs_no_statement(service, authorize, capture):
    """A capture that names the standing payment asks the database what any capture asks."""
    costs = []
    for named in (False, True):
        held = service.authorize(authorize(order_id=uuid4()))
        payment_id = held.id if named else None
        command = replace(capture(), order_id=held.order_id, payment_id=payment_id)
        with CaptureQueriesContext(connections["payment"]) as asked:
            service.capture(command)
        costs.append(len(asked))
    assert costs[0] == costs[1] > 0


def test_the_named_payment_goes_through_the_codec(service, authorized, capture, refund):
    """Commands keep the payment's id over the wire, and the refusal keeps its type and fields."""
    with routed(Payment, CodecRoute(service)):
        taken = use(Payment).capture(replace(capture(), payment_id=authorized.id))
        assert taken.state is PaymentState.CAPTURED
        other = uuid4()
        with pytest.raises(NotStanding) as refused:
            use(Payment).refund(replace(refund(), payment_id=other))
        assert refused.value.payment_id == other
