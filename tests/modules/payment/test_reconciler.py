"""The reconciler: nothing hangs for longer than a minute."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from modules.payment import models, reconciler
from modules.payment.contract import (
    ActionRequired,
    CancelPayment,
    Declined,
    OutcomeUnknown,
    PaymentState,
    PaymentUnclaimed,
    RefundState,
)
from modules.payment.service import PaymentService
from modules.platform.contracts import deadline_in
from modules.platform.messaging import registry
from modules.platform.messaging.testing import drain
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    let_leases_expire,
    payloads,
    payment,
    published,
)

pytestmark = pytest.mark.django_db(transaction=True)


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def lost(service, command):
    """The command's answer is lost."""
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.authorize(command)


def test_a_lost_authorization_is_settled(service, standin, authorize, order_id):
    """The provider is asked what became of it; the charge is found, not made again."""
    lost(service, authorize("card_timeout"))
    reconciler.reconcile(now=in_seconds(5))
    assert payment(order_id).state == PaymentState.AUTHORIZED
    assert published(order_id) == ["payment_authorized"]
    assert len(standin.operations(order_id, "authorize")) == 1


def test_the_reconciler_never_charges(service, standin, authorize, order_id):
    """A request that never arrived is declined after half a minute, not sent again."""
    standin.faults("authorize", "error")
    lost(service, authorize())
    reconciler.reconcile(now=in_seconds(5))
    assert payment(order_id).state == PaymentState.UNKNOWN
    reconciler.reconcile(now=in_seconds(40))
    assert payment(order_id).decline_code == "not_received"
    assert published(order_id) == ["payment_declined"]
    assert standin.charges(order_id) == []
    with pytest.raises(Declined):
        service.authorize(authorize())


def test_unclaimed_money_is_told_of_every_half_minute(service, standin, authorize, order_id):
    """Not before 30 s, and again every 30 s until the order says something."""
    service.authorize(authorize())
    for seconds, times in ((25, 0), (31, 1), (45, 1), (62, 2)):
        reconciler.reconcile(now=in_seconds(seconds))
        assert len(payloads(order_id, "payment_unclaimed")) == times
    assert payloads(order_id, "payment_unclaimed")[0]["amount"]["amount"] == 10_000


def test_claimed_money_is_not_told_of(service, standin, authorize, order_id):
    """A confirmed order's payment is at rest."""
    service.authorize(authorize())
    models.Payment.objects.update(claim="confirmed", due_at=None)
    reconciler.reconcile(now=in_seconds(61))
    assert "payment_unclaimed" not in published(order_id)


def test_a_capture_claims_the_money(service, standin, authorize, capture, order_id):
    """Orders answers PaymentUnclaimed by capturing: nothing is told any more."""
    service.authorize(authorize())
    reconciler.reconcile(now=in_seconds(31))
    service.capture(capture())
    reconciler.reconcile(now=in_seconds(120))
    assert len(payloads(order_id, "payment_unclaimed")) == 1
    assert payment(order_id).claim == "confirmed"


def test_money_without_an_order_is_given_back_within_a_minute(
    service, standin, authorize, order_id
):
    """The order's process died after the charge; whoever hears PaymentUnclaimed cancels it."""
    heard: list[PaymentUnclaimed] = []
    service.authorize(authorize())
    # In orders' place a module that every host has.
    with registry.only({"accounts": {PaymentUnclaimed: [heard.append]}}):
        reconciler.reconcile(now=in_seconds(35))
        drain()
    for event in heard:
        service.cancel(
            CancelPayment(idempotency_key="k", order_id=event.order_id, reason="no such order")
        )
    assert standin.charges(order_id)[0]["voided"] == 10_000
    assert payment(order_id).state == PaymentState.VOIDED


def test_a_cancellation_left_open_is_ended(service, standin, authorize, cancel, order_id):
    """The caller gave up; the reconciler does not."""
    service.authorize(authorize())
    standin.faults("void", "error", times=1)
    with pytest.raises(OutcomeUnknown):
        service.cancel(cancel)
    reconciler.reconcile(now=in_seconds(30))
    assert payment(order_id).state == PaymentState.VOIDED
    assert standin.charges(order_id)[0]["voided"] == 10_000


def test_a_cancelled_unknown_payment_is_ended(service, standin, authorize, cancel, order_id):
    """Cancelled while the provider was still thinking: voided as soon as it is known."""
    lost(service, authorize("card_slow"))
    with pytest.raises(OutcomeUnknown):
        service.cancel(cancel)
    while not standin.charges(order_id):
        pass
    reconciler.reconcile(now=in_seconds(20))
    reconciler.reconcile(now=in_seconds(60))
    assert standin.charges(order_id)[0]["voided"] == 10_000


@pytest.mark.parametrize("operation", ["capture", "refund"])
def test_lost_answers_are_fetched(
    operation, service, standin, authorize, capture, refund, order_id
):
    """Captures and refunds with an unknown outcome are settled, once."""
    service.authorize(authorize())
    if operation == "refund":
        service.capture(capture())
    standin.faults(operation, "hold", seconds=1)
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.capture(capture()) if operation == "capture" else service.refund(refund())
    reconciler.reconcile(now=in_seconds(5))
    assert len(standin.operations(order_id, operation)) == 1
    assert_ledger_equals_totals(order_id)
    assert models.Attempt.objects.filter(state="unknown").count() == 0


def test_failures_back_off(service, standin, authorize, capture, order_id):
    """Each failure moves the next try further away."""
    service.authorize(authorize())
    standin.faults("capture", "unavailable", times=3)
    with pytest.raises(OutcomeUnknown):
        service.capture(capture())
    waits = []
    for _ in range(3):
        attempt = models.Attempt.objects.get(operation="capture")
        waits.append(attempt.next_at - datetime.now(UTC))
        let_leases_expire(order_id)
        reconciler.pursue_attempts(now=datetime.now(UTC))
    assert waits[0] < waits[1] < waits[2]
    assert payment(order_id).state == PaymentState.CAPTURED


def test_an_abandoned_action_is_looked_after(service, standin, authorize, order_id):
    """The confirmation's webhook got lost: the reconciler sees it at the provider."""
    with pytest.raises(ActionRequired) as caught:
        service.authorize(authorize("card_requires_action"))
    standin.confirm(caught.value.next_action)
    reconciler.reconcile(now=in_seconds(31))
    assert payment(order_id).state == PaymentState.AUTHORIZED


def test_one_things_trouble_does_not_stop_the_others(service, standin, authorize):
    """A payment that cannot be looked at leaves the rest of the pass alone."""
    orders = [uuid4(), uuid4()]
    for order_id in orders:
        service.authorize(authorize(order_id=order_id))
    models.Payment.objects.filter(order_id=orders[0]).update(claim="cancelled", provider="gone")
    reconciler.reconcile(now=in_seconds(31))
    assert payloads(orders[1], "payment_unclaimed")


def charge_without_row(standin, order_id, payment_id=None, **given):
    """A charge that is at the provider only, as after a restored backup."""
    body = {
        "payment_id": str(payment_id or uuid4()),
        "order_id": str(order_id),
        "amount": 10_000,
        "currency": "EUR",
        "method": "card_ok",
    }
    return standin.ask("POST", "/v1/charges", body | given, Idempotency_Key=uuid4().hex)


def test_a_charge_without_a_payment_is_taken_in(fresh_standin, order_id):
    """The sweep makes it a payment, which is unclaimed at once."""
    charge_without_row(fresh_standin, order_id)
    now = datetime.now(UTC)
    reconciler.sweep_provider("standin", now=now)
    assert payment(order_id).state == PaymentState.AUTHORIZED
    reconciler.reconcile(now=in_seconds(1))
    assert published(order_id) == ["payment_authorized", "payment_unclaimed"]


def test_a_second_charge_for_an_order_is_given_back(fresh_standin, authorize, order_id):
    """Beside a payment that stands, a charge without one is a stray and is voided unasked."""
    PaymentService().authorize(authorize())
    charge_without_row(fresh_standin, order_id)
    reconciler.sweep_provider("standin", now=datetime.now(UTC))
    reconciler.reconcile(now=in_seconds(1))
    own, stray = fresh_standin.charges(order_id)
    assert (own["voided"], stray["voided"]) == (0, 10_000)
    assert published(order_id) == ["payment_authorized"]


def test_another_shops_charges_are_left_alone(fresh_standin):
    """A charge that carries no payment of ours is none of our business."""
    charge_without_row(fresh_standin, "their-order", payment_id="their-payment")
    reconciler.sweep_provider("standin", now=datetime.now(UTC))
    assert not models.Payment.objects.exists()


def test_the_sweep_remembers_how_far_it_got(fresh_standin):
    """The next sweep begins where the last one ended, with some overlap."""
    now = datetime.now(UTC)
    reconciler.sweep_provider("standin", now=now)
    assert models.ProviderCursor.objects.get().seen_until == now
    later = now + timedelta(hours=1)
    charge_without_row(fresh_standin, uuid4())
    assert reconciler.sweep_provider("standin", now=later) == 1
    assert models.ProviderCursor.objects.get().seen_until == later


def test_what_was_done_at_the_provider_is_taken_over(
    service, standin, authorize, capture, order_id
):
    """A refund made on the provider's own pages becomes a refund here, with ledger and event."""
    service.authorize(authorize())
    service.capture(capture())
    charge = standin.charges(order_id)[0]["id"]
    path = f"/v1/charges/{charge}/refunds"
    standin.ask("POST", path, {"amount": 700}, Idempotency_Key=uuid4().hex)
    models.Payment.objects.update(refunding=0)
    reconciler._refresh(payment(order_id))
    assert payment(order_id).refunded == 700
    assert models.Refund.objects.get().state == RefundState.SUCCEEDED
    assert_ledger_equals_totals(order_id)


def test_an_action_that_nobody_takes_is_given_up(service, standin, authorize, order_id):
    """After a day the bank's page is dead, and so is the payment."""
    with pytest.raises(ActionRequired):
        service.authorize(authorize("card_requires_action"))
    reconciler.reconcile(now=in_seconds(25 * 3600))
    assert payment(order_id).state == PaymentState.VOIDED
    assert standin.charges(order_id)[0]["status"] == "voided"


def test_the_reconciler_does_not_wait_for_a_live_caller(
    service, standin, authorize, capture, order_id
):
    """An attempt that somebody asks for right now is left to that caller."""
    service.authorize(authorize())
    standin.faults("capture", "error")
    with pytest.raises(OutcomeUnknown):
        service.capture(capture())
    now = datetime.now(UTC)
    attempts = models.Attempt.objects.filter(operation="capture")
    attempts.update(state="sent", next_at=now, leased_until=now + timedelta(seconds=15))
    started = time.monotonic()
    reconciler.reconcile(now=in_seconds(1))
    assert time.monotonic() - started < 2
    assert standin.operations(order_id, "capture") == []


def test_a_slow_provider_does_not_hold_a_pass_for_long(service, authorize, monkeypatch):
    """What does not fit into the budget is due in the next pass."""
    for _ in range(3):
        service.authorize(authorize(order_id=uuid4()))
    monkeypatch.setattr(reconciler, "BUDGET", 0.0)
    reconciler.look_at_payments(now=in_seconds(31))
    assert models.Payment.objects.filter(due_at__lte=in_seconds(31)).count() == 3
