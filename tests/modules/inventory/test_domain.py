"""Where lines come from, and what followers hear; pure rules."""

from __future__ import annotations

from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.inventory.contract import (
    BadQuantity,
    StockLine,
    StockRanLow,
    StockRanOut,
    StockReturned,
)
from modules.inventory.domain import (
    HeldLine,
    Shelf,
    choose,
    shortages,
    sku_events,
    spread,
    unplanned,
    wanted,
)

SPACE = UUID(int=0)


def shelf(
    sku: str,
    free: int,
    warehouse: str = "main",
    *,
    priority: int = 10,
    backorderable: bool = False,
    active: bool = True,
) -> Shelf:
    """A shelf with ``free`` pieces of a SKU."""
    return Shelf(
        stock_id=uuid5(SPACE, f"{sku}@{warehouse}"),
        sku=sku,
        warehouse_id=uuid5(SPACE, warehouse),
        warehouse=warehouse,
        priority=priority,
        active=active,
        on_hand=free,
        reserved=0,
        allocated=0,
        shortfall=0,
        backorderable=backorderable,
        low_threshold=0,
        version=1,
    )


def taken(takes: list[tuple[Shelf, int]]) -> dict[tuple[str, str], int]:
    """(SKU, warehouse) to quantity."""
    return {(shelf.sku, shelf.warehouse): quantity for shelf, quantity in takes}


def test_one_warehouse_that_has_all_lines_serves_the_whole_order() -> None:
    """A later warehouse with everything beats an earlier one that would need two parcels."""
    shelves = [
        shelf("a", 5, "first", priority=1),
        shelf("b", 0, "first", priority=1),
        shelf("a", 5, "second", priority=2),
        shelf("b", 5, "second", priority=2),
    ]
    assert taken(choose({"a": 1, "b": 1}, shelves)) == {("a", "second"): 1, ("b", "second"): 1}


def test_a_line_comes_whole_from_one_warehouse_when_one_has_it() -> None:
    """A line is not split as long as one warehouse can serve it."""
    shelves = [shelf("a", 2, "first", priority=1), shelf("a", 9, "second", priority=2)]
    assert taken(choose({"a": 3}, shelves)) == {("a", "second"): 3}


def test_a_line_is_split_when_no_warehouse_has_it_whole() -> None:
    """The first warehouse gives what it has, the next the rest."""
    shelves = [shelf("a", 2, "first", priority=1), shelf("a", 2, "second", priority=2)]
    assert taken(choose({"a": 3}, shelves)) == {("a", "first"): 2, ("a", "second"): 1}


def test_the_rest_is_a_backorder_at_the_first_warehouse_that_takes_one() -> None:
    """What no shelf has is promised where backorders are allowed."""
    shelves = [
        shelf("a", 2, "first", priority=1),
        shelf("a", 1, "second", priority=2, backorderable=True),
    ]
    assert taken(choose({"a": 5}, shelves)) == {("a", "first"): 2, ("a", "second"): 3}


def test_a_closed_warehouse_promises_nothing() -> None:
    """Stock of an inactive warehouse counts as a shortage, backorders included."""
    closed = [shelf("a", 5, active=False, backorderable=True)]
    (lack,) = shortages({"a": 1}, closed)
    assert (lack.sku, lack.requested, lack.available) == ("a", 1, 0)


def test_shortages_name_every_line_that_lacks() -> None:
    """Not the first missing line alone, but all of them."""
    shelves = [shelf("a", 1), shelf("b", 0), shelf("c", 9)]
    lacking = shortages({"a": 2, "b": 1, "c": 1}, shelves)
    assert [(lack.sku, lack.available) for lack in lacking] == [("a", 1), ("b", 0)]


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 9), min_size=1),
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["x", "y", "z"]),
            st.integers(0, 9),
            st.booleans(),
        ),
        unique_by=lambda place: place[:2],
    ),
)
def test_what_is_chosen_is_exactly_what_is_wanted_and_there(
    want: dict[str, int], places: list[tuple[str, str, int, bool]]
) -> None:
    """Unless there is a shortage, takes add up to the wish and stay within what is free."""
    shelves = [
        shelf(sku, free, place, priority="xyz".index(place), backorderable=backorderable)
        for sku, place, free, backorderable in places
    ]
    if shortages(want, shelves):
        return
    takes = choose(want, shelves)
    assert all(quantity > 0 for _, quantity in takes)
    assert all(s.backorderable or quantity <= s.free for s, quantity in takes)
    for sku, quantity in want.items():
        assert sum(q for s, q in takes if s.sku == sku) == quantity
    assert len({s.stock_id for s, _ in takes}) == len(takes)


@pytest.mark.parametrize(
    ("before", "after", "threshold", "backorderable", "expected"),
    [
        (5, 3, 3, False, [StockRanLow]),
        (3, 2, 3, False, []),
        (5, 0, 3, False, [StockRanLow, StockRanOut]),
        (1, 0, 0, False, [StockRanOut]),
        (1, 0, 0, True, []),
        (0, 4, 3, False, [StockReturned]),
        (0, 0, 3, False, []),
    ],
)
def test_followers_hear_of_crossings_only(
    before: int, after: int, threshold: int, backorderable: bool, expected: list[type]
) -> None:
    """An event tells of a crossed line, not of each change."""
    events = sku_events(
        "a", before=before, after=after, threshold=threshold, backorderable=backorderable
    )
    assert [type(event) for event in events] == expected


def test_repeated_lines_of_a_sku_are_added_up() -> None:
    """Two lines of one SKU are one wish."""
    lines = [StockLine(sku="a", quantity=1), StockLine(sku="a", quantity=2)]
    assert wanted(lines) == {"a": 3}


@pytest.mark.parametrize("quantity", [0, -1, 10**10])
def test_an_impossible_quantity_is_refused(quantity: int) -> None:
    """Nothing, less than nothing, and more than can be counted."""
    with pytest.raises(BadQuantity):
        wanted([StockLine(sku="a", quantity=quantity)])


def test_spreading_stops_at_what_is_outstanding() -> None:
    """More than there is takes what there is, line by line."""
    lines = [
        HeldLine(
            id=uuid4(), sku="a", warehouse_id=SPACE, quantity=quantity, released=1, dispatched=0
        )
        for quantity in (3, 1, 2)
    ]
    assert [quantity for _, quantity in spread(9, lines)] == [2, 1]


def test_goods_that_were_not_set_aside_come_off_free_shelves_then_off_the_first() -> None:
    """What left unplanned is booked where it can have been."""
    shelves = [shelf("a", 1, "first", priority=1), shelf("a", 2, "second", priority=2)]
    takes = list(unplanned({"a": 6, "unknown": 1}, {"a": 1}, shelves))
    assert taken(takes) == {("a", "first"): 3, ("a", "second"): 2}
