"""Cancelling: whatever the payment got to, nothing of the shopper's money stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from modules.payment import closing, models, reconciler
from modules.payment.contract import (
    ActionRequired,
    Declined,
    OutcomeUnknown,
    PaymentState,
    ProviderUnavailable,
)
from modules.payment.service import PaymentService
from modules.platform.contracts import deadline_in
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    ledger,
    payloads,
    payment,
    published,
)

pytestmark = pytest.mark.django_db(transaction=True)


def soon():
    return deadline_in(timedelta(seconds=0.4))


def held(standin, order_id) -> int:
    """How much of the shopper's money the provider holds or has taken."""
    return sum(
        charge["authorized"] - charge["voided"] - charge["refunded"]
        for charge in standin.charges(order_id)
    )


def test_an_order_without_a_payment_cancels(service, cancel):
    """No payment at all is no error."""
    service.cancel(cancel)


def test_an_authorization_is_voided(service, standin, authorize, cancel, order_id):
    """What is set aside is given up, with the reason in the event."""
    service.authorize(authorize())
    service.cancel(cancel)
    assert payment(order_id).state == PaymentState.VOIDED
    assert held(standin, order_id) == 0
    assert ledger(order_id) == {"authorization": 10_000, "void": 10_000}
    assert payloads(order_id, "payment_voided")[0]["reason"] == "out of stock"


def test_a_capture_is_refunded(service, standin, authorize, capture, cancel, order_id):
    """What is taken goes back."""
    service.authorize(authorize())
    service.capture(capture())
    service.cancel(cancel)
    assert payment(order_id).state == PaymentState.REFUNDED
    assert held(standin, order_id) == 0


def test_a_partial_capture_is_voided_and_refunded(
    service, standin, authorize, capture, refund, cancel, order_id
):
    """The rest is given up, what is left of the capture goes back, and the books agree."""
    service.authorize(authorize())
    service.capture(capture(6_000))
    service.refund(refund(1_000))
    service.cancel(cancel)
    assert ledger(order_id) == {
        "authorization": 10_000,
        "capture": 6_000,
        "void": 4_000,
        "refund": 6_000,
    }
    assert held(standin, order_id) == 0
    assert_ledger_equals_totals(order_id)


def test_cancelling_again_changes_nothing(service, standin, authorize, cancel, order_id):
    """The same cancellation is over once it is over."""
    service.authorize(authorize())
    service.cancel(cancel)
    service.cancel(cancel)
    assert len(standin.operations(order_id, "void")) == 1
    assert published(order_id) == ["payment_authorized", "payment_voided"]


def test_a_lost_charge_is_found_and_voided(service, standin, authorize, cancel, order_id):
    """Nobody knew of the charge; cancelling asks for it and gives it back."""
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_timeout"))
    service.cancel(cancel)
    assert payment(order_id).state == PaymentState.VOIDED
    assert held(standin, order_id) == 0
    assert len(standin.charges(order_id)) == 1


def test_a_charge_still_under_way_is_not_declared_dead(
    service, standin, authorize, cancel, order_id
):
    """The provider has not seen it yet, so nobody knows; a later try voids it."""
    with soon(), pytest.raises(OutcomeUnknown):
        service.authorize(authorize("card_slow"))
    with pytest.raises(OutcomeUnknown):
        service.cancel(cancel)
    assert payment(order_id).claim == "cancelled"
    while not standin.charges(order_id):
        pass
    service.cancel(cancel)
    assert held(standin, order_id) == 0


def test_what_never_arrived_is_over_after_half_a_minute(
    service, standin, authorize, cancel, order_id
):
    """A request that the provider has not seen by then will not be seen any more."""
    standin.faults("authorize", "error")
    with pytest.raises(OutcomeUnknown):
        service.authorize(authorize())
    with pytest.raises(OutcomeUnknown):
        service.cancel(cancel)
    later = datetime.now(UTC) + timedelta(seconds=31)
    PaymentService(now=lambda: later).cancel(cancel)
    assert payment(order_id).state == PaymentState.VOIDED
    assert standin.charges(order_id) == []


def test_what_was_never_sent_is_over_at_once(
    service, standin, settings, authorize, cancel, order_id
):
    """With no provider in reach nothing was asked, so nothing needs to be waited for."""
    settings.STANDIN_URL = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable):
        service.authorize(authorize())
    service.cancel(cancel)
    assert payment(order_id).state == PaymentState.VOIDED


def test_a_cancelled_payment_cannot_be_authorized_any_more(
    service, standin, settings, authorize, cancel, order_id
):
    """The old command comes again after the cancellation: it is declined and charges nothing."""
    settings.STANDIN_URL = "http://127.0.0.1:9"
    with pytest.raises(ProviderUnavailable):
        service.authorize(authorize())
    service.cancel(cancel)
    settings.STANDIN_URL = standin.url
    with pytest.raises(Declined):
        service.authorize(authorize())
    assert standin.charges(order_id) == []


def test_a_charge_that_turns_up_after_all_is_given_back(fresh_standin, authorize, cancel, order_id):
    """Declared dead, yet charged: the stray is voided, and the order hears nothing of it."""
    with soon(), pytest.raises(OutcomeUnknown):
        PaymentService().authorize(authorize("card_slow"))
    later = datetime.now(UTC) + timedelta(seconds=31)
    PaymentService(now=lambda: later).cancel(cancel)
    assert payment(order_id).state == PaymentState.VOIDED
    while not fresh_standin.charges(order_id):
        pass
    reconciler.sweep_provider("standin", now=datetime.now(UTC))
    assert payment(order_id).stray
    reconciler.reconcile(now=datetime.now(UTC))
    assert held(fresh_standin, order_id) == 0
    assert published(order_id) == ["payment_voided"]


def test_an_unconfirmed_action_is_given_up(service, standin, authorize, cancel, order_id):
    """The shopper never came; the provider lets go and a late confirmation is too late."""
    with pytest.raises(ActionRequired):
        service.authorize(authorize("card_requires_action"))
    service.cancel(cancel)
    assert standin.charges(order_id)[0]["status"] == "voided"
    assert payment(order_id).state == PaymentState.VOIDED


def test_a_capture_that_wins_the_race_is_refunded(
    service, standin, authorize, capture, cancel, order_id
):
    """The capture's answer was lost, so it was unknown when the cancellation came."""
    service.authorize(authorize())
    standin.faults("capture", "hold", seconds=1)
    with soon(), pytest.raises(OutcomeUnknown):
        service.capture(capture())
    assert payment(order_id).captured == 0
    service.cancel(cancel)
    assert payment(order_id).state == PaymentState.REFUNDED
    assert held(standin, order_id) == 0
    assert_ledger_equals_totals(order_id)


@pytest.mark.parametrize("kind", ["hold", "reset", "drop", "error", "error_after"])
@pytest.mark.parametrize("operation", ["void", "refund"])
def test_a_broken_cancellation_ends_by_repetition(
    service, standin, authorize, capture, cancel, kind, operation, order_id
):
    """Each step is made once, however often its answer is lost."""
    service.authorize(authorize())
    if operation == "refund":
        service.capture(capture())
    standin.faults(operation, kind, times=2, seconds=1)
    for _ in range(4):
        try:
            with soon():
                service.cancel(cancel)
        except OutcomeUnknown:
            continue
    assert held(standin, order_id) == 0
    assert len(standin.operations(order_id, operation)) == 1
    assert_ledger_equals_totals(order_id)


def test_a_refusing_provider_leaves_the_cancellation_open(
    service, standin, authorize, cancel, order_id
):
    """As long as the provider says no the reconciler has it on its list."""
    service.authorize(authorize())
    standin.faults("void", "refuse", times=closing.ROUNDS, code="try_later")
    with pytest.raises(OutcomeUnknown):
        service.cancel(cancel)
    row = payment(order_id)
    assert (row.claim, row.due_at is not None) == ("cancelled", True)
    service.cancel(cancel)
    assert held(standin, order_id) == 0
    refused = models.Attempt.objects.filter(state="refused", error="try_later")
    assert refused.count() == closing.ROUNDS
