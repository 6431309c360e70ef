"""The audit finds payments whose totals are not their ledger's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from modules.payment import audit, models
from modules.payment.tasks import audit_ledger
from tests.modules.payment.records import payment

pytestmark = pytest.mark.django_db(transaction=True)


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def test_a_payments_life_leaves_no_difference(
    service, standin, authorize, capture, refund, cancel, order_id
):
    """Authorized, captured in part, refunded in part, cancelled: the books agree."""
    service.authorize(authorize())
    service.capture(capture(6_000))
    service.refund(refund(1_000))
    service.cancel(cancel)
    assert audit.differences(since=an_hour_ago()) == []
    assert audit_ledger() == 0


def test_a_planted_difference_is_found(service, standin, authorize, order_id):
    """A total that somebody changed by hand is named, with both figures."""
    service.authorize(authorize())
    models.Payment.objects.filter(order_id=order_id).update(captured=1)
    (found,) = audit.differences(since=an_hour_ago())
    assert found.payment_id == payment(order_id).id
    assert (found.totals, found.booked) == ((10_000, 1, 0, 0), (10_000, 0, 0, 0))
    assert audit_ledger() == 1


def test_old_payments_are_not_read_again(service, standin, authorize, order_id):
    """The audit looks at what changed lately."""
    service.authorize(authorize())
    models.Payment.objects.update(captured=1)
    assert audit.differences(since=datetime.now(UTC) + timedelta(minutes=1)) == []
