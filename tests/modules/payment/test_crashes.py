"""The process dies between each commit and call; whoever comes next ends it, with one charge."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from modules.payment.contract import Declined, OutcomeUnknown, PaymentState, RefundState
from modules.platform.messaging.crashpoints import SimulatedCrash, observed
from tests.modules.payment.records import (
    assert_ledger_equals_totals,
    eur,
    let_leases_expire,
    payment,
    published,
)

pytestmark = pytest.mark.django_db(transaction=True)

# After the attempt is committed; after the provider answered; inside the transaction that stores
# the answer; after that.
POINTS = ["payment.stored", "payment.answered", "publish.inserted", "payment.settled"]


@contextmanager
def crash_at(place: str):
    """Die once at ``place``."""

    def observer(point: str) -> None:
        if point == place:
            raise SimulatedCrash(point)

    with observed(observer), pytest.raises(SimulatedCrash):
        yield


@pytest.mark.parametrize("point", POINTS)
def test_authorize_survives_a_crash(point, service, standin, authorize, order_id):
    """The same command, sent again, finds or makes the one charge."""
    with crash_at(point):
        service.authorize(authorize())
    let_leases_expire(order_id)
    assert service.authorize(authorize()).state is PaymentState.AUTHORIZED
    assert len(standin.operations(order_id, "authorize")) == 1
    assert published(order_id) == ["payment_authorized"]
    assert_ledger_equals_totals(order_id)


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_in_a_decline_stays_a_decline(point, service, standin, authorize, order_id):
    """The decline is told once, whenever the process died."""
    with crash_at(point):
        service.authorize(authorize("card_declined"))
    let_leases_expire(order_id)
    with pytest.raises(Declined):
        service.authorize(authorize("card_declined"))
    assert published(order_id) == ["payment_declined"]


@pytest.mark.parametrize("point", POINTS)
def test_capture_survives_a_crash(point, service, standin, authorize, capture, order_id):
    """The same capture, sent again, is made once."""
    service.authorize(authorize())
    with crash_at(point):
        service.capture(capture(4_000))
    let_leases_expire(order_id)
    assert service.capture(capture(4_000)).captured == eur(4_000)
    assert len(standin.operations(order_id, "capture")) == 1
    assert published(order_id) == ["payment_authorized", "payment_captured"]


@pytest.mark.parametrize("point", POINTS)
def test_refund_survives_a_crash(point, service, standin, authorize, capture, refund, order_id):
    """The same refund, sent again, is made once."""
    service.authorize(authorize())
    service.capture(capture())
    with crash_at(point):
        service.refund(refund(4_000))
    let_leases_expire(order_id)
    assert service.refund(refund(4_000)).state is RefundState.SUCCEEDED
    assert len(standin.operations(order_id, "refund")) == 1
    assert payment(order_id).refunding == 0
    assert_ledger_equals_totals(order_id)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("again", POINTS)
def test_cancel_survives_two_crashes(
    point, again, service, standin, authorize, capture, cancel, order_id
):
    """Void and refund are each made once, wherever the process died twice."""
    service.authorize(authorize())
    service.capture(capture(4_000))
    for place in (point, again):
        with crash_at(place):
            service.cancel(cancel)
        let_leases_expire(order_id)
    service.cancel(cancel)
    assert len(standin.operations(order_id, "void")) == 1
    assert len(standin.operations(order_id, "refund")) == 1
    assert payment(order_id).state == PaymentState.REFUNDED
    assert_ledger_equals_totals(order_id)


@pytest.mark.parametrize("point", POINTS)
def test_cancelling_after_a_crash_leaves_nothing(
    point, service, standin, authorize, cancel, order_id
):
    """The order is cancelled because its payment's process died: no money stays."""
    with crash_at(point):
        service.authorize(authorize())
    let_leases_expire(order_id)
    try:
        service.cancel(cancel)
    except OutcomeUnknown:
        assert standin.charges(order_id) == []  # never sent; over after half a minute
        return
    assert standin.charges(order_id)[0]["voided"] == 10_000
    assert payment(order_id).state == PaymentState.VOIDED


def test_a_live_caller_is_not_overtaken(service, standin, authorize, order_id):
    """As long as the lease lasts a second caller waits, and tells that nobody knows yet."""
    from datetime import timedelta

    from modules.platform.contracts import deadline_in

    with crash_at("payment.stored"):
        service.authorize(authorize())
    with deadline_in(timedelta(seconds=0.3)), pytest.raises(OutcomeUnknown):
        service.authorize(authorize())
    assert standin.charges(order_id) == []
