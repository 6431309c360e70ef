"""Holds run out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from modules.inventory.contract import ReservationClosed, ReservationExpired, ReservationState
from modules.inventory.service import expiry, utc_now
from modules.inventory.service.audit import audit
from modules.inventory.tasks import SCHEDULE, expire_reservations
from tests.modules.inventory.shop import counters, inventory, published, reserving, stocked

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_hold_past_its_time_is_given_back_and_told() -> None:
    """The stock is free again and orders hears what was freed."""
    stocked(a=5, b=5)
    due, fresh = reserving(minutes=-1, a=2, b=1), reserving(a=1)
    inventory.reserve(due)
    inventory.reserve(fresh)
    assert expire_reservations() == 1
    assert (counters("a"), counters("b")) == ((5, 1, 0), (5, 0, 0))
    assert inventory.reservation(order_id=due.order_id).state is ReservationState.EXPIRED
    (told,) = published(ReservationExpired)
    assert told == {
        "order_id": str(due.order_id),
        "lines": [{"sku": "a", "quantity": 2}, {"sku": "b", "quantity": 1}],
    }


def test_an_expired_hold_cannot_be_used() -> None:
    """Reserving again under the same order is refused: the saga must know that time was up."""
    stocked(a=5)
    command = reserving(minutes=-1, a=2)
    inventory.reserve(command)
    expiry.expire_due(now=utc_now())
    with pytest.raises(ReservationClosed):
        inventory.reserve(command)


def test_many_holds_are_expired_in_few_transactions() -> None:
    """A backlog is worked off by batches up to the limit, without losing the count."""
    stocked(a=500)
    for _ in range(120):
        inventory.reserve(reserving(minutes=-1, a=1))
    assert expiry.expire_due(now=utc_now(), limit=100) == 100
    assert expiry.expire_due(now=utc_now()) == 20
    assert counters("a") == (500, 0, 0)
    assert not audit().differences


def test_a_hold_is_not_given_back_early() -> None:
    """Until its very time it stands."""
    stocked(a=5)
    command = reserving(minutes=5, a=2)
    inventory.reserve(command)
    assert expiry.expire_due(now=command.expires_at - timedelta(microseconds=1)) == 0
    assert expiry.expire_due(now=command.expires_at) == 1


def test_periodic_work_is_scheduled_under_its_tasks_names() -> None:
    """Every entry of the schedule is a task that exists."""
    from celery import current_app

    assert set(SCHEDULE) <= set(current_app.tasks)
