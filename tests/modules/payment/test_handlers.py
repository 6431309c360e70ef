"""What payment does when it hears of orders: intents in the batch, provider calls in tasks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from modules.payment import models, reconciler
from modules.payment.contract import OutcomeUnknown, PaymentState
from modules.payment.handlers import HANDLERS
from modules.platform.databases import atomic
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from tests.modules.payment.orders import cancelled, confirmed, failed
from tests.modules.payment.records import eur, payment, published

pytestmark = pytest.mark.django_db(transaction=True)


def hear(*events, lose_tasks: bool = False) -> None:
    """Handle the events as the bus does: all in one transaction; then the tasks run."""
    queue = InlineCarrier()
    with carried_by(queue):
        with atomic("payment"):
            for event in events:
                for handler in HANDLERS[type(event)]:
                    handler(event)
        if not lose_tasks:
            queue.pump()


def test_a_confirmed_order_is_captured(service, standin, authorize, order_id):
    """OrderConfirmed takes the order's total, once, however often it is heard."""
    service.authorize(authorize())
    hear(confirmed(order_id))
    hear(confirmed(order_id))
    assert payment(order_id).state == PaymentState.CAPTURED
    assert payment(order_id).claim == "confirmed"
    assert len(standin.operations(order_id, "capture")) == 1
    assert published(order_id) == ["payment_authorized", "payment_captured"]


def test_only_the_orders_total_is_captured(service, standin, authorize, order_id):
    """An order that became smaller before it was confirmed pays its total."""
    service.authorize(authorize())
    hear(confirmed(order_id, total=8_000))
    assert payment(order_id).captured == 8_000


def test_the_handler_asks_nobody(service, standin, authorize, order_id):
    """The intent is a row; the call is a task's, and a lost task is the reconciler's."""
    service.authorize(authorize())
    hear(confirmed(order_id), lose_tasks=True)
    assert standin.operations(order_id, "capture") == []
    assert models.Attempt.objects.get(operation="capture").state == "due"
    reconciler.reconcile(now=datetime.now(UTC) + timedelta(seconds=1))
    assert payment(order_id).state == PaymentState.CAPTURED


def test_hearing_of_a_confirmed_order_costs_one_statement(
    service, authorize, order_id, django_assert_num_queries
):
    """Beside BEGIN and COMMIT, which the bus pays once for a whole batch."""
    service.authorize(authorize())
    with django_assert_num_queries(3, using="payment"):
        hear(confirmed(order_id), lose_tasks=True)


def test_an_order_without_a_payment_is_no_concern(service):
    """Free orders are confirmed as well."""
    from uuid import uuid4

    hear(confirmed(uuid4()), cancelled(uuid4()), failed(uuid4()))


@pytest.mark.parametrize("event", [cancelled, failed])
def test_what_does_not_stand_is_given_back(event, service, standin, authorize, order_id):
    """OrderCancelled and OrderFailed make sure that nothing stays."""
    service.authorize(authorize())
    hear(event(order_id))
    assert payment(order_id).state == PaymentState.VOIDED
    assert standin.charges(order_id)[0]["voided"] == 10_000


def test_a_lost_giving_back_is_made_good(service, standin, authorize, order_id):
    """The task got lost with the broker: the payment is marked and due."""
    service.authorize(authorize())
    hear(cancelled(order_id), lose_tasks=True)
    reconciler.reconcile(now=datetime.now(UTC) + timedelta(seconds=1))
    assert payment(order_id).state == PaymentState.VOIDED


def test_confirmed_and_cancelled_in_one_batch_is_given_back(service, standin, authorize, order_id):
    """Both tasks run, in either order, and nothing stays."""
    service.authorize(authorize())
    hear(confirmed(order_id), cancelled(order_id))
    charge = standin.charges(order_id)[0]
    assert charge["authorized"] == charge["voided"] + charge["refunded"]


def test_a_confirmation_after_the_cancellation_captures_nothing(
    service, standin, authorize, cancel, order_id
):
    """A payment that is on its way back is not taken."""
    service.authorize(authorize())
    standin.faults("void", "error")
    with pytest.raises(OutcomeUnknown):
        service.cancel(cancel)
    hear(confirmed(order_id))
    assert standin.operations(order_id, "capture") == []


def test_a_capture_that_the_provider_loses_is_repeated(service, standin, authorize, order_id):
    """The task ends without an answer; the reconciler finds out."""
    service.authorize(authorize())
    standin.faults("capture", "error_after")
    hear(confirmed(order_id))
    assert payment(order_id).captured == 0
    reconciler.reconcile(now=datetime.now(UTC) + timedelta(seconds=3))
    assert payment(order_id).captured == eur(10_000).amount
    assert len(standin.operations(order_id, "capture")) == 1
