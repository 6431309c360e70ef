"""Reserving, allocating and releasing, one at a time."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from modules.inventory.contract import (
    AllocateStock,
    InsufficientStock,
    ReleaseStock,
    ReservationClosed,
    ReservationMismatch,
    ReservationNotFound,
    ReservationState,
    StockRanLow,
    StockRanOut,
    StockReturned,
    TooManyAtOnce,
    UnknownSku,
)
from modules.inventory.service import warehouses
from tests.modules.inventory.shop import (
    counters,
    inventory,
    lines,
    published,
    reserving,
    shelf,
    stocked,
)

pytestmark = pytest.mark.django_db


def release(order_id: object, *, key: str = "", **quantities: int) -> None:
    """Release the order's stock, or some of it."""
    inventory.release(
        ReleaseStock(
            order_id=order_id,  # type: ignore[arg-type]
            reason="test",
            lines=lines(**quantities),
            idempotency_key=key or str(uuid4()),
        )
    )


def allocate(order_id: object) -> object:
    """Allocate the order's stock."""
    return inventory.allocate(
        AllocateStock(order_id=order_id, idempotency_key=str(uuid4()))  # type: ignore[arg-type]
    )


def test_reserving_holds_each_line() -> None:
    """What is reserved can no longer be promised to others."""
    stocked(a=5, b=3)
    held = inventory.reserve(reserving(a=2, b=3))
    assert (held.state, held.lines) == (ReservationState.HELD, lines(a=2, b=3))
    assert (counters("a"), counters("b")) == ((5, 2, 0), (3, 3, 0))
    found = {stock.sku: stock.available for stock in inventory.availability(skus=("a", "b"))}
    assert found == {"a": 3, "b": 0}


def test_a_shortage_of_one_line_reserves_nothing_and_names_all_shortages() -> None:
    """All lines or none; the error says what lacks of each."""
    stocked(a=5, b=1, c=0)
    with pytest.raises(InsufficientStock) as caught:
        inventory.reserve(reserving(a=1, b=2, c=1))
    assert [(s.sku, s.available) for s in caught.value.shortages] == [("b", 1), ("c", 0)]
    assert counters("a") == (5, 0, 0)
    with pytest.raises(ReservationNotFound):
        inventory.reservation(order_id=uuid4())


def test_an_order_that_failed_may_be_reserved_when_there_is_stock_again() -> None:
    """A refused reservation leaves nothing behind that would stand in the way."""
    stocked(a=1)
    command = reserving(a=2)
    with pytest.raises(InsufficientStock):
        inventory.reserve(command)
    stocked(a=2)
    assert inventory.reserve(command).state is ReservationState.HELD


def test_reserving_an_unknown_sku_is_refused() -> None:
    """A SKU of which no stock is kept is an error of its own."""
    with pytest.raises(UnknownSku):
        inventory.reserve(reserving(nothing=1))


def test_reserving_twice_gives_the_same_reservation() -> None:
    """The same key holds the goods once."""
    stocked(a=5)
    command = reserving(a=2)
    assert inventory.reserve(command) == inventory.reserve(command)
    assert counters("a") == (5, 2, 0)


def test_reserving_the_last_piece_twice_is_no_shortage() -> None:
    """A repetition is recognised although nothing is left for anybody else."""
    stocked(a=1)
    command = reserving(a=1)
    assert inventory.reserve(command) == inventory.reserve(command)


def test_an_order_cannot_hold_two_different_reservations() -> None:
    """Other lines under another key are refused; the first reservation stands."""
    stocked(a=5)
    first = reserving(a=2)
    inventory.reserve(first)
    with pytest.raises(ReservationMismatch):
        inventory.reserve(reserving(first.order_id, key="other", a=3))
    assert counters("a") == (5, 2, 0)


def test_allocating_moves_reserved_to_allocated_once() -> None:
    """A second allocation changes nothing."""
    stocked(a=5)
    command = reserving(a=2)
    inventory.reserve(command)
    assert allocate(command.order_id) == allocate(command.order_id)
    assert counters("a") == (5, 0, 2)


def test_allocating_what_was_given_back_is_refused() -> None:
    """A released reservation cannot be made firm."""
    stocked(a=5)
    command = reserving(a=2)
    inventory.reserve(command)
    release(command.order_id)
    with pytest.raises(ReservationClosed):
        allocate(command.order_id)
    with pytest.raises(ReservationNotFound):
        allocate(uuid4())


@pytest.mark.parametrize("firm", [False, True])
def test_releasing_gives_back_once(firm: bool) -> None:
    """Held or allocated, the goods are free again, however often it is said."""
    stocked(a=5)
    command = reserving(a=2)
    inventory.reserve(command)
    if firm:
        allocate(command.order_id)
    release(command.order_id)
    release(command.order_id)
    assert counters("a") == (5, 0, 0)
    reservation = inventory.reservation(order_id=command.order_id)
    assert (reservation.state, reservation.lines) == (ReservationState.RELEASED, ())


def test_a_late_reserve_after_the_release_is_refused() -> None:
    """A release that overtook its reserve leaves a mark: nothing leaks."""
    stocked(a=5)
    command = reserving(a=2)
    release(command.order_id)
    with pytest.raises(ReservationClosed):
        inventory.reserve(command)
    assert counters("a") == (5, 0, 0)


def test_releasing_some_lines_is_done_once_per_key() -> None:
    """A repeated partial release gives nothing more back; another key does."""
    stocked(a=9)
    command = reserving(a=5)
    inventory.reserve(command)
    release(command.order_id, key="one", a=2)
    release(command.order_id, key="one", a=2)
    assert counters("a") == (9, 3, 0)
    release(command.order_id, key="two", a=9)
    assert counters("a") == (9, 0, 0)
    assert inventory.reservation(order_id=command.order_id).state is ReservationState.RELEASED


def test_an_order_over_two_warehouses_is_held_in_both() -> None:
    """A line that no warehouse has whole is split, and availability adds them up."""
    stocked("east", a=2)
    stocked("west", a=2)
    (stock,) = inventory.availability(skus=("a",))
    assert stock.available == 4
    command = reserving(a=3)
    inventory.reserve(command)
    assert (counters("a", "east"), counters("a", "west")) == ((2, 2, 0), (2, 1, 0))
    release(command.order_id)
    assert (counters("a", "east"), counters("a", "west")) == ((2, 0, 0), (2, 0, 0))


def test_a_closed_warehouse_is_left_out() -> None:
    """Its stock is not promised, and followers hear that it is gone and back."""
    stocked("east", a=2)
    warehouses.change("east", active=False)
    (stock,) = inventory.availability(skus=("a",))
    assert (stock.on_hand, stock.available) == (2, 0)
    with pytest.raises(InsufficientStock):
        inventory.reserve(reserving(a=1))
    warehouses.change("east", active=True)
    assert [event["sku"] for event in published(StockRanOut)] == ["a"]
    assert len(published(StockReturned)) == 2


def test_a_backorderable_sku_is_promised_beyond_the_shelf() -> None:
    """Available never goes below nothing, and dispatch later finds the goods."""
    stocked(a=1)
    inventory.change_sku(sku="a", expected_version=None, reason="test", backorderable=True)
    inventory.reserve(reserving(a=3))
    (stock,) = inventory.availability(skus=("a",))
    assert (stock.available, stock.backorderable, counters("a")) == (0, True, (1, 3, 0))


def test_stopping_backorders_keeps_the_promises_as_a_shortfall() -> None:
    """What was promised stands; nothing more is promised."""
    stocked(a=1)
    inventory.change_sku(sku="a", expected_version=None, reason="test", backorderable=True)
    inventory.reserve(reserving(a=3))
    inventory.change_sku(sku="a", expected_version=None, reason="test", backorderable=False)
    assert shelf("a") == (1, 3, 0, 2)
    with pytest.raises(InsufficientStock):
        inventory.reserve(reserving(a=1))


def test_followers_hear_when_stock_runs_low_and_out_and_returns() -> None:
    """One event for each line crossed, in the transaction that crossed it."""
    stocked(a=3)
    inventory.change_sku(sku="a", expected_version=None, reason="test", low_threshold=2)
    command = reserving(a=1)
    inventory.reserve(command)
    inventory.reserve(reserving(a=2))
    release(command.order_id)
    assert [event["available"] for event in published(StockRanLow)] == [2]
    assert [event["sku"] for event in published(StockRanOut)] == ["a"]
    assert [event["available"] for event in published(StockReturned)] == [3, 1]


def test_availability_of_many_skus_is_one_query() -> None:
    """Product lists and carts pay one query, however long they are."""
    stocked(**{f"s{number}": number for number in range(50)})
    with CaptureQueriesContext(connections["inventory"]) as queries:
        found = inventory.availability(skus=tuple(f"s{number}" for number in range(60)))
    assert (len(queries), len(found)) == (1, 50)


def test_availability_takes_a_bounded_number_of_skus() -> None:
    """More than 500 are refused; none is none."""
    with pytest.raises(TooManyAtOnce):
        inventory.availability(skus=tuple(str(number) for number in range(501)))
    assert inventory.availability(skus=()) == ()


def test_reserving_costs_four_statements() -> None:
    """Claim, lock, write with ledger, lines: the hot path must not grow unnoticed."""
    stocked(a=5, b=5, c=5)
    with CaptureQueriesContext(connections["inventory"]) as queries:
        inventory.reserve(reserving(a=1, b=1, c=1))
    said = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(said) == 4


def test_a_change_of_stock_grows_the_version() -> None:
    """A version is an ETag: each change gives another one."""
    stocked(a=5)
    (before,) = inventory.availability(skus=("a",))
    inventory.reserve(reserving(a=1))
    (after,) = inventory.availability(skus=("a",))
    assert after.version > before.version
