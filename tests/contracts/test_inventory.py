"""Inventory's contract, kept the same by every way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from modules.inventory.contract import (
    AllocateStock,
    BadQuantity,
    InsufficientStock,
    Inventory,
    ReleaseStock,
    ReservationClosed,
    ReservationMismatch,
    ReservationNotFound,
    ReservationState,
    ReserveStock,
    RestockReturn,
    SetStock,
    StockLevel,
    StockLine,
    TooManyAtOnce,
    UnknownSku,
    UnknownWarehouse,
)
from modules.inventory.service import InventoryService
from modules.platform.binding import methods_of, use
from tests.contracts.ways import Way

pytestmark = pytest.mark.django_db(transaction=True)
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)  # than any run of all tests


@pytest.fixture(autouse=True)
def _answered(way: Way) -> Iterator[None]:
    with way(Inventory, InventoryService()):
        yield


def stock(**levels: int) -> int:
    """Set levels in the main warehouse."""
    given = tuple(StockLevel(sku=sku, on_hand=on_hand) for sku, on_hand in levels.items())
    return use(Inventory).set_stock(
        SetStock(levels=given, reason="test", idempotency_key=str(uuid4()))
    )


def reserving(order_id: UUID, key: str = "k", **quantities: int) -> ReserveStock:
    """A command to reserve."""
    lines = tuple(StockLine(sku=sku, quantity=q) for sku, q in quantities.items())
    return ReserveStock(
        order_id=order_id, lines=lines, expires_at=LATER, idempotency_key=f"{key}:{order_id}"
    )


def test_a_sale_from_shelf_to_allocation() -> None:
    """Set, ask, reserve, look, allocate: types and values come across as they are."""
    assert stock(a=5, b=1) == 2
    order = uuid4()
    held = use(Inventory).reserve(reserving(order, a=2))
    assert (held.order_id, held.expires_at) == (order, LATER)
    assert held.lines == (StockLine(sku="a", quantity=2),)
    assert use(Inventory).reservation(order_id=order) == held
    (found,) = use(Inventory).availability(skus=("a", "unknown"))
    assert (found.on_hand, found.reserved, found.available) == (5, 2, 3)
    firm = use(Inventory).allocate(AllocateStock(order_id=order, idempotency_key="k"))
    assert firm.state is ReservationState.ALLOCATED


def test_a_release_is_idempotent_and_never_an_error_before_dispatch() -> None:
    """Unknown, held or released already: the answer is the same."""
    stock(a=5)
    order = uuid4()
    use(Inventory).reserve(reserving(order, a=2))
    for target in (order, order, uuid4()):
        use(Inventory).release(ReleaseStock(order_id=target, reason="x", idempotency_key="k"))
    assert use(Inventory).availability(skus=("a",))[0].available == 5


def test_a_restock_puts_goods_on_hand() -> None:
    """Once per key."""
    stock(a=5)
    command = RestockReturn(
        order_id=uuid4(), lines=(StockLine(sku="a", quantity=2),), idempotency_key="k"
    )
    use(Inventory).restock(command)
    use(Inventory).restock(command)
    assert use(Inventory).availability(skus=("a",))[0].on_hand == 7


def test_a_shortage_is_rebuilt_with_its_fields() -> None:
    """The caller reads SKU, wish and rest from the error, wherever it was raised."""
    stock(a=5, b=0)
    with pytest.raises(InsufficientStock) as caught:
        use(Inventory).reserve(reserving(uuid4(), a=6, b=1))
    found = [(s.sku, s.requested, s.available) for s in caught.value.shortages]
    assert found == [("a", 6, 5), ("b", 1, 0)]


def test_each_declared_error_is_raised_as_itself() -> None:
    """Every leaf of the tree that a port's method may raise."""
    stock(a=5)
    order = uuid4()
    inventory = use(Inventory)
    with pytest.raises(UnknownSku):
        inventory.reserve(reserving(order, unknown=1))
    with pytest.raises(BadQuantity):
        inventory.reserve(reserving(order, a=0))
    with pytest.raises(ReservationNotFound):
        inventory.reservation(order_id=order)
    with pytest.raises(ReservationNotFound):
        inventory.allocate(AllocateStock(order_id=order, idempotency_key="k"))
    inventory.reserve(reserving(order, a=1))
    with pytest.raises(ReservationMismatch):
        inventory.reserve(reserving(order, key="other", a=2))
    inventory.release(ReleaseStock(order_id=order, reason="x", idempotency_key="k"))
    with pytest.raises(ReservationClosed) as closed:
        inventory.reserve(reserving(order, key="other", a=1))
    assert closed.value.state is ReservationState.RELEASED
    with pytest.raises(UnknownWarehouse):
        inventory.restock(
            RestockReturn(order_id=order, lines=(), warehouse="moon", idempotency_key="k")
        )
    with pytest.raises(TooManyAtOnce):
        inventory.availability(skus=("a",) * 501)


def test_the_port_is_small() -> None:
    """At most eight methods."""
    assert len(methods_of(Inventory)) <= 8
