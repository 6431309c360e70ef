"""What becomes of stock when orders and shipments go their way, over the real bus."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import OperationalError

from modules.inventory.contract import (
    AllocateStock,
    AllocationFailed,
    InsufficientStock,
    ReservationClosed,
    ReservationState,
    StockAllocated,
)
from modules.inventory.handlers import HANDLERS
from modules.inventory.models import Notice
from modules.inventory.module import MODULE
from modules.inventory.service import expiry, notices, utc_now
from modules.inventory.service.audit import audit
from modules.platform.messaging import registry
from tests.modules.inventory.news import cancelled, confirmed, dispatched, failed, hear
from tests.modules.inventory.shop import (
    counters,
    inventory,
    lines,
    published,
    reserving,
    shelf,
    stocked,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _only_inventory_hears() -> object:
    with registry.only({"inventory": HANDLERS}):
        yield


def ordered(**quantities: int) -> object:
    """An order that has its stock reserved."""
    command = reserving(**quantities)
    inventory.reserve(command)
    return command.order_id


def test_what_is_declared_is_what_is_heard() -> None:
    """The declaration names exactly the events that have handlers."""
    assert set(MODULE.consumes) == set(HANDLERS)


def test_a_confirmed_order_is_allocated_and_does_not_expire() -> None:
    """Its stock stays set aside long after the hold would have run out."""
    stocked(a=5)
    order = ordered(a=2)
    hear(confirmed(order, a=2))
    assert counters("a") == (5, 0, 2)
    assert expiry.expire_due(now=utc_now() + timedelta(days=1)) == 0


def test_a_dispatched_order_leaves_the_shelf() -> None:
    """On hand falls by what was sent, and nothing stays allocated."""
    stocked(a=5)
    order = ordered(a=2)
    hear(confirmed(order, a=2), dispatched(order, a=2))
    assert counters("a") == (3, 0, 0)
    assert inventory.reservation(order_id=order).state is ReservationState.DISPATCHED


def test_a_partial_shipment_leaves_the_rest_allocated() -> None:
    """Each parcel takes its own lines; the reservation ends with the last."""
    stocked(a=5, b=5)
    order = ordered(a=3, b=1)
    hear(confirmed(order, a=3, b=1), dispatched(order, complete=False, a=1))
    assert (counters("a"), counters("b")) == ((4, 0, 2), (5, 0, 1))
    hear(dispatched(order, a=2, b=1))
    assert (counters("a"), counters("b")) == ((2, 0, 0), (4, 0, 0))
    assert inventory.reservation(order_id=order).lines == lines(a=3, b=1)


@pytest.mark.parametrize("over", [cancelled, failed])
def test_an_order_that_is_over_holds_nothing(over: object) -> None:
    """Cancelled or failed, reserved or allocated: all of it is free again."""
    stocked(a=5)
    held, firm = ordered(a=1), ordered(a=2)
    hear(confirmed(firm, a=2))
    hear(over(held), over(firm))  # type: ignore[operator]
    assert counters("a") == (5, 0, 0)


def test_an_order_that_is_over_can_hold_nothing_again() -> None:
    """Late and repeated news of a finished order sets nothing aside."""
    stocked(a=5)
    order = ordered(a=2)
    hear(cancelled(order), confirmed(order, a=2), cancelled(order))
    never = uuid4()
    hear(failed(never), confirmed(never, a=1))
    assert counters("a") == (5, 0, 0)
    with pytest.raises(ReservationClosed):
        inventory.reserve(reserving(never, a=1))


def test_a_parcel_that_left_before_its_order_was_allocated_is_booked() -> None:
    """Dispatch takes from what is reserved; the confirmation that follows changes nothing."""
    stocked(a=5)
    order = ordered(a=2)
    hear(dispatched(order, a=2), confirmed(order, a=2))
    assert counters("a") == (3, 0, 0)


def test_an_expired_hold_is_taken_again_when_the_order_is_confirmed() -> None:
    """A payment that took longer than the hold still gets its goods while there are any."""
    stocked(a=5)
    command = reserving(minutes=-1, a=2)
    inventory.reserve(command)
    assert expiry.expire_due(now=utc_now()) == 1
    hear(confirmed(command.order_id, a=2))
    assert counters("a") == (5, 0, 2)


def test_an_expired_hold_that_was_sold_meanwhile_fails_loudly() -> None:
    """Nothing is oversold: orders hears what lacks."""
    stocked(a=2)
    command = reserving(minutes=-1, a=2)
    inventory.reserve(command)
    expiry.expire_due(now=utc_now())
    ordered(a=1)
    hear(confirmed(command.order_id, a=2))
    assert counters("a") == (2, 1, 0)
    (told,) = published(AllocationFailed)
    assert told["shortages"] == [{"sku": "a", "requested": 2, "available": 1}]


def test_a_confirmed_order_without_reservation_is_allocated() -> None:
    """An order that came another way is served like one whose hold ran out."""
    stocked(a=2)
    hear(confirmed(uuid4(), a=1))
    assert counters("a") == (2, 0, 1)
    hear(confirmed(uuid4(), unknown=1))
    assert len(published(AllocationFailed)) == 1


def test_goods_that_the_books_did_not_know_are_entered_as_found() -> None:
    """A backorder that is sent was evidently there; the ledger says so."""
    stocked(a=1)
    inventory.change_sku(sku="a", expected_version=None, reason="t", backorderable=True)
    order = ordered(a=3)
    hear(confirmed(order, a=3), dispatched(order, a=3))
    assert counters("a") == (0, 0, 0)
    assert not audit().differences


def test_goods_that_left_without_being_set_aside_are_booked_too() -> None:
    """A parcel of an order without reservation comes off the free stock."""
    stocked(a=3)
    hear(dispatched(uuid4(), a=2), dispatched(uuid4(), unknown=1))
    assert counters("a") == (1, 0, 0)


def test_shipping_hears_where_goods_are_when_they_are_not_all_in_main() -> None:
    """The common case costs no event; any other is told with quantities per warehouse."""
    stocked(a=1)
    stocked("east", a=2)
    plain, split = ordered(a=1), ordered(a=2)
    hear(confirmed(plain, a=1))
    assert published(StockAllocated) == []
    hear(confirmed(split, a=2))
    (told,) = published(StockAllocated)
    assert told["picks"] == [{"sku": "a", "quantity": 2, "warehouse": "east"}]


def test_what_could_not_be_allocated_is_set_aside_when_goods_are_there_again() -> None:
    """By command, of the lines it names: short it says so, in stock they are allocated once."""
    stocked(a=1)
    order = uuid4()
    hear(confirmed(order, a=2))
    assert len(published(AllocationFailed)) == 1
    again = AllocateStock(idempotency_key="k", order_id=order, lines=lines(a=2))
    with pytest.raises(InsufficientStock):
        inventory.allocate(again)
    assert shelf("a") == (1, 0, 0, 0)
    stocked(a=5)
    assert inventory.allocate(again) == inventory.allocate(again)
    assert shelf("a") == (5, 0, 2, 0)
    hear(cancelled(order))
    with pytest.raises(ReservationClosed):
        inventory.allocate(again)
    assert shelf("a") == (5, 0, 0, 0)


def test_news_that_cannot_be_settled_waits_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A database error costs a delay, not the notice; other notices are not held up."""
    stocked(a=5)
    bad, good = ordered(a=1), ordered(a=1)
    act = notices._act

    def failing(note: notices.Note, now: object) -> None:
        if note.order_id == bad:
            raise OperationalError("deadlock detected")
        act(note, now)  # type: ignore[arg-type]

    monkeypatch.setattr(notices, "_act", failing)
    hear(confirmed(bad, a=1), confirmed(good, a=1))
    assert counters("a") == (5, 1, 1)
    assert Notice.objects.get().attempts == 1
    monkeypatch.undo()
    assert notices.settle(now=utc_now()) == 0
    assert notices.settle(now=utc_now() + timedelta(seconds=2)) == 1
    assert counters("a") == (5, 0, 2)


def test_an_order_with_unsettled_news_is_not_expired() -> None:
    """Between the confirmation and its settling the hold does not run out."""
    stocked(a=5)
    command = reserving(minutes=-1, a=1)
    inventory.reserve(command)
    from modules.inventory.domain import NoticeKind

    notices.note(command.order_id, NoticeKind.CONFIRMED, lines(a=1), now=utc_now())
    assert expiry.expire_due(now=utc_now()) == 0
    notices.settle(now=utc_now())
    assert shelf("a") == (5, 0, 1, 0)
