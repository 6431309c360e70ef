"""What people and imports do to stock."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from modules.inventory.contract import (
    BadQuantity,
    InsufficientStock,
    RestockReturn,
    SetStock,
    StockLevel,
    StockLine,
    TooManyAtOnce,
    UnknownSku,
    UnknownWarehouse,
    WarehouseExists,
)
from modules.inventory.models import Movement, Stock
from modules.inventory.service import warehouses
from modules.inventory.service.audit import audit
from modules.platform.contracts import StaleVersion
from tests.modules.inventory.shop import (
    counters,
    inventory,
    lines,
    reserving,
    shelf,
    stocked,
)

pytestmark = pytest.mark.django_db


def setting(count: int, on_hand: int, key: str) -> SetStock:
    """A command that sets so many SKUs to one level."""
    levels = tuple(StockLevel(sku=f"s{n}", on_hand=on_hand) for n in range(count))
    return SetStock(levels=levels, reason="import", idempotency_key=key)


def test_setting_stock_makes_what_is_missing_and_says_what_changed() -> None:
    """Unknown SKUs and warehouses are created; levels that stand already are not counted."""
    stocked("new-place", a=5)
    command = SetStock(
        levels=(
            StockLevel(sku="a", on_hand=5, warehouse="new-place"),
            StockLevel(sku="b", on_hand=0, warehouse="new-place"),
            StockLevel(sku="c", on_hand=7),
        ),
        reason="import",
        idempotency_key="k",
    )
    assert inventory.set_stock(command) == 1
    assert inventory.set_stock(command) == 1
    assert (shelf("b", "new-place")[0], counters("c")) == (0, (7, 0, 0))


def test_setting_the_same_command_again_changes_nothing() -> None:
    """An import that repeats a batch does not undo what was sold meanwhile."""
    command = setting(2, 5, "k")
    inventory.set_stock(command)
    stocked(s0=9)
    assert inventory.set_stock(command) == 2
    assert counters("s0") == (9, 0, 0)


def test_counting_less_than_is_promised_is_kept_as_a_shortfall() -> None:
    """The count is the truth, the promises stand, and nothing more is promised."""
    stocked(a=5)
    inventory.reserve(reserving(a=4))
    stocked(a=1)
    assert shelf("a") == (1, 4, 0, 3)
    with pytest.raises(InsufficientStock):
        inventory.reserve(reserving(a=1))
    stocked(a=6)
    assert shelf("a") == (6, 4, 0, 0)


def test_a_thousand_levels_cost_a_handful_of_statements() -> None:
    """An import of 92,000 SKUs is 92 calls, each of a constant number of statements."""
    with CaptureQueriesContext(connections["inventory"]) as few:
        inventory.set_stock(setting(10, 5, "few"))
    with CaptureQueriesContext(connections["inventory"]) as many:
        inventory.set_stock(setting(1_000, 6, "many"))
    assert len(many) <= len(few)


def test_setting_stock_is_fast_enough_for_imports() -> None:
    """15,000-26,000 levels/s were measured on 2 cores; the bound only catches a collapse.

    The best of some rounds counts: a machine that others use may stand still for a second.
    """
    rates: list[float] = []
    while not any(rate > 1_500 for rate in rates):
        assert len(rates) < 5, rates
        started = time.perf_counter()
        for level in (5, 6):
            inventory.set_stock(setting(1_000, level, f"{len(rates)}-{level}"))
        rates.append(2_000 / (time.perf_counter() - started))


def test_a_call_takes_a_thousand_levels_at_most() -> None:
    """More are refused whole."""
    with pytest.raises(TooManyAtOnce):
        inventory.set_stock(setting(1_001, 5, "k"))
    assert not Stock.objects.exists()


@pytest.mark.parametrize("level", [-1, 10**10])
def test_an_impossible_level_is_refused(level: int) -> None:
    """Nothing of the command is done."""
    with pytest.raises(BadQuantity):
        inventory.set_stock(setting(2, level, "k"))
    assert not Stock.objects.exists()


def test_a_new_place_of_a_sku_takes_over_its_settings() -> None:
    """Backorders and threshold belong to the SKU, wherever it comes to lie."""
    stocked(a=5)
    inventory.change_sku(
        sku="a", expected_version=None, reason="t", backorderable=True, low_threshold=3
    )
    stocked("east", a=1)
    row = Stock.objects.get(warehouse__code="east")
    assert (row.backorderable, row.low_threshold) == (True, 3)


def test_an_adjustment_is_booked_once_per_key() -> None:
    """A form that is sent twice counts once, and leaves one movement with its reason."""
    stocked(a=5)
    for _ in range(2):
        done = inventory.adjust(
            sku="a", warehouse="main", delta=-2, reason="broken", idempotency_key="k"
        )
        assert done == 3
    movement = Movement.objects.get(kind="adjust")
    assert (movement.on_hand, movement.reason) == (-2, "broken")


def test_an_adjustment_below_nothing_is_refused() -> None:
    """There are never fewer than no pieces on a shelf."""
    stocked(a=1)
    with pytest.raises(BadQuantity):
        inventory.adjust(sku="a", warehouse="main", delta=-2, reason="x", idempotency_key="k")
    with pytest.raises(UnknownSku):
        inventory.adjust(sku="b", warehouse="main", delta=1, reason="x", idempotency_key="l")
    with pytest.raises(UnknownWarehouse):
        inventory.adjust(sku="a", warehouse="moon", delta=1, reason="x", idempotency_key="m")


def transfer(key: str = "k", **quantities: int) -> object:
    """Move from main to east."""
    return inventory.transfer(
        source="main",
        target="east",
        lines=lines(**quantities),
        reason="balance",
        idempotency_key=key,
    )


def test_a_transfer_moves_free_goods_once() -> None:
    """What one warehouse loses the other gains, under one document."""
    stocked(a=5)
    stocked("east", b=1)
    document = transfer(a=3)
    assert transfer(a=3) == document
    assert (counters("a"), counters("a", "east")) == ((2, 0, 0), (3, 0, 0))
    assert Movement.objects.filter(document_id=document).count() == 2


def test_a_transfer_leaves_promised_goods_where_they_are() -> None:
    """Only what is free moves: all lines or none, with every shortage named."""
    stocked(a=5, b=5)
    stocked("east", a=0)
    inventory.reserve(reserving(a=4))
    with pytest.raises(InsufficientStock) as caught:
        transfer(a=2, b=6)
    assert [(s.sku, s.available) for s in caught.value.shortages] == [("a", 1), ("b", 5)]
    assert counters("b") == (5, 0, 0)


def test_a_stocktake_books_and_reports_the_differences() -> None:
    """What was counted is on hand; SKUs that were not counted stay."""
    stocked(a=5, b=5, c=5)
    done = inventory.count(
        warehouse="main",
        counts=[StockLine(sku="a", quantity=4), StockLine(sku="b", quantity=5)],
        reason="yearly count",
        idempotency_key="k",
    )
    assert [(line.sku, line.booked, line.difference) for line in done.lines] == [
        ("a", 5, -1),
        ("b", 5, 0),
    ]
    assert (counters("a"), counters("c")) == ((4, 0, 0), (5, 0, 0))
    assert Movement.objects.filter(document_id=done.id).count() == 1


def test_returned_goods_are_on_hand_again_once() -> None:
    """A restock is recognised by its key; a SKU new to the warehouse gets a shelf."""
    stocked("east", a=1)
    stocked(b=1)
    command = RestockReturn(
        order_id=uuid4(), lines=lines(a=2, b=1), warehouse="east", idempotency_key="k"
    )
    inventory.restock(command)
    inventory.restock(command)
    assert (counters("a", "east"), counters("b", "east")) == ((3, 0, 0), (1, 0, 0))
    with pytest.raises(UnknownWarehouse):
        inventory.restock(
            RestockReturn(order_id=uuid4(), lines=lines(a=2), warehouse="moon", idempotency_key="l")
        )


def test_a_change_based_on_an_old_version_is_refused() -> None:
    """Two people who edit one SKU do not overwrite each other."""
    stocked(a=5)
    (seen,) = inventory.availability(skus=("a",))
    inventory.change_sku(sku="a", expected_version=seen.version, reason="first", on_hand=6)
    with pytest.raises(StaleVersion):
        inventory.change_sku(sku="a", expected_version=seen.version, reason="second", on_hand=7)
    assert counters("a") == (6, 0, 0)


def test_a_warehouses_code_is_taken_once() -> None:
    """Making it again is refused; changing an unknown one too."""
    warehouses.create(code="east", name="East")
    with pytest.raises(WarehouseExists):
        warehouses.create(code="east", name="East")
    with pytest.raises(UnknownWarehouse):
        warehouses.change("moon", name="Moon")


def test_every_change_is_in_the_ledger() -> None:
    """After all sorts of changes the books are proved right."""
    stocked(a=5, b=5)
    stocked("east", a=2)
    inventory.reserve(reserving(a=6))
    transfer(b=2)
    inventory.adjust(sku="b", warehouse="main", delta=4, reason="x", idempotency_key="k")
    assert audit().differences == ()
