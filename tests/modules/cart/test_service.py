"""Carts against PostgreSQL: locking, merging, coupons, races."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connections

from modules.cart import store
from modules.cart.contract import (
    BeginCheckout,
    CartCheckedOut,
    CartEmpty,
    CartLocked,
    CartMerged,
    CartNotFound,
    CartSnapshot,
    CompleteCheckout,
    CouponRefused,
    CurrencyMismatch,
    LineNotSellable,
    QuantityLimit,
    ReopenCart,
    TooManyLines,
)
from modules.cart.domain import CartState
from modules.cart.models import Cart, Coupon, CouponUse, Line
from modules.cart.service import CartService, carts, coupons, merging
from modules.cart.tasks import IDLE, sweep_idle
from modules.platform.contracts import Actor, ContractError, Money
from modules.platform.contracts.codec import decode
from tests.modules.cart.conftest import (
    NOW,
    FakeCatalog,
    FakeInventory,
    customer,
    guest,
    make_coupon,
    variant,
)

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("catalog", "inventory"),
]
service = CartService()


def filled(actor: Actor | None = None, **quantities: int) -> tuple[UUID, Actor]:
    """A cart with these quantities, and who owns it."""
    actor = actor or customer()
    cart, _ = carts.open_cart(actor=actor, now=NOW)
    for sku, quantity in (quantities or {"TEA": 2}).items():
        carts.add_line(cart_id=cart.id, actor=actor, sku=sku, quantity=quantity, now=NOW)
    return cart.id, actor


def begin(cart_id: UUID, actor: Actor, order_id: UUID) -> CartSnapshot:
    return service.begin_checkout(
        BeginCheckout(
            idempotency_key=f"{order_id}:cart",
            cart_id=cart_id,
            order_id=order_id,
            owners=actor.owners,
        )
    )


def complete(cart_id: UUID, order_id: UUID) -> None:
    service.complete_checkout(
        CompleteCheckout(idempotency_key="k", cart_id=cart_id, order_id=order_id)
    )


def reopen(cart_id: UUID, order_id: UUID) -> None:
    service.reopen(ReopenCart(idempotency_key="k", cart_id=cart_id, order_id=order_id))


def outbox() -> list[tuple[str, str]]:
    with connections["cart"].cursor() as cursor:
        cursor.execute("SELECT type, payload::text FROM bus_outbox ORDER BY id")
        return list(cursor.fetchall())


def test_a_guest_gets_a_token_that_is_stored_hashed() -> None:
    """Only its hash is in the database, and only it opens the cart."""
    from modules.platform.rest.authentication import guest_owner

    cart, token = carts.open_cart(actor=Actor(), now=NOW)
    assert token is not None
    row = Cart.objects.get()
    assert row.owner == guest_owner(token)
    assert token not in row.owner
    holder = Actor(owners=frozenset({guest_owner(token)}))
    assert carts.visible_cart(cart.id, actor=holder).id == cart.id
    with pytest.raises(CartNotFound):
        carts.visible_cart(cart.id, actor=Actor(owners=frozenset({guest_owner("x")})))


def test_the_hot_path_is_lean(catalog: FakeCatalog, django_assert_num_queries: Any) -> None:
    """Opening is one query; adding is a read, one call to catalog and one write."""
    actor = customer()
    with django_assert_num_queries(1, using="cart"):
        cart, _ = carts.open_cart(actor=actor, now=NOW)
    with django_assert_num_queries(2, using="cart"):
        carts.add_line(cart_id=cart.id, actor=actor, sku="TEA", quantity=1, now=NOW)
    assert catalog.calls == 1
    with django_assert_num_queries(2, using="cart"):
        begin(cart.id, actor, uuid4())


def test_adding_again_adds_up() -> None:
    """A SKU has one line; its quantity grows within its limit."""
    cart_id, actor = filled(CAN=3)
    found = carts.add_line(cart_id=cart_id, actor=actor, sku="CAN", quantity=2, now=NOW)
    assert [(line.sku, line.quantity) for line in found.cart.lines] == [("CAN", 5)]
    with pytest.raises(QuantityLimit):
        carts.add_line(cart_id=cart_id, actor=actor, sku="CAN", quantity=1, now=NOW)


def test_what_is_not_for_sale_is_refused(catalog: FakeCatalog) -> None:
    """Unknown and withdrawn SKUs, and those priced in another currency."""
    catalog.sells(
        variant("DRAFT", sellable=False), variant("YEN", price=Money(amount=5, currency="JPY"))
    )
    cart_id, actor = filled()
    for sku in ("NOPE", "DRAFT"):
        with pytest.raises(LineNotSellable):
            carts.add_line(cart_id=cart_id, actor=actor, sku=sku, quantity=1, now=NOW)
    with pytest.raises(CurrencyMismatch):
        carts.add_line(cart_id=cart_id, actor=actor, sku="YEN", quantity=1, now=NOW)


def test_an_emptied_cart_takes_any_currency(catalog: FakeCatalog) -> None:
    """The currency is that of the lines, and goes with the last of them."""
    catalog.sells(variant("YEN", price=Money(amount=5, currency="JPY")))
    cart_id, actor = filled()
    carts.remove_line(cart_id=cart_id, actor=actor, sku="TEA", now=NOW)
    found = carts.add_line(cart_id=cart_id, actor=actor, sku="YEN", quantity=2, now=NOW)
    assert found.priced.total == Money(amount=10, currency="JPY")


def test_a_cart_has_a_limit_of_lines(catalog: FakeCatalog, monkeypatch: Any) -> None:
    """One more is refused; more of a present one is not."""
    monkeypatch.setattr(carts, "MAX_LINES", 2)
    cart_id, actor = filled(TEA=1, MUG=1)
    with pytest.raises(TooManyLines):
        carts.add_line(cart_id=cart_id, actor=actor, sku="CAN", quantity=1, now=NOW)
    carts.add_line(cart_id=cart_id, actor=actor, sku="MUG", quantity=1, now=NOW)


def test_changes_since_are_pointed_out(catalog: FakeCatalog, inventory: FakeInventory) -> None:
    """A new price, low stock, none at all, and what is not sold any more."""
    catalog.sells(variant("GONE"))
    cart_id, actor = filled(TEA=2, MUG=3, CAN=1, GONE=1)
    catalog.sells(variant("TEA", 549))
    del catalog.known["GONE"]
    inventory.stock = {"MUG": 2, "CAN": 0}
    found = carts.show(carts.visible_cart(cart_id, actor=actor), now=NOW)
    assert [(w.code, w.reference) for w in found.warnings] == [
        ("price_changed", "TEA"),
        ("not_for_sale", "GONE"),
        ("low_stock", "MUG"),
        ("out_of_stock", "CAN"),
    ]
    assert "4.99 EUR" in found.warnings[0].detail
    assert found.priced.total.amount == 2 * 549 + 3 * 1250 + 89


def test_a_cart_is_shown_while_inventory_cannot_answer(inventory: FakeInventory) -> None:
    """Without stock warnings, with everything else."""
    inventory.away = True
    cart_id, actor = filled()
    assert carts.show(carts.visible_cart(cart_id, actor=actor), now=NOW).warnings == ()


def test_checkout_locks_the_cart_for_one_order(catalog: FakeCatalog) -> None:
    """The same order gets the same snapshot, whatever prices do; another order is refused."""
    cart_id, actor = filled()
    order = uuid4()
    first = begin(cart_id, actor, order)
    assert first.total == Money(amount=998, currency="EUR")
    assert first.lines[0].tax.amount == 166
    catalog.sells(variant("TEA", 1))
    assert begin(cart_id, actor, order) == first
    with pytest.raises(CartLocked):
        begin(cart_id, actor, uuid4())
    with pytest.raises(CartLocked):
        carts.add_line(cart_id=cart_id, actor=actor, sku="TEA", quantity=1, now=NOW)


def test_checkout_refuses_what_cannot_be_ordered(catalog: FakeCatalog) -> None:
    """Somebody else's cart, an empty one, one with a line that is not for sale."""
    cart_id, actor = filled()
    with pytest.raises(CartNotFound):
        begin(cart_id, customer(), uuid4())
    with pytest.raises(CartNotFound):
        begin(uuid4(), actor, uuid4())
    empty, _ = carts.open_cart(actor=actor, now=NOW)
    with pytest.raises(CartEmpty):
        begin(empty.id, actor, uuid4())
    catalog.sells(variant("TEA", sellable=False))
    with pytest.raises(LineNotSellable):
        begin(cart_id, actor, uuid4())
    catalog.sells(variant("TEA", max_per_order=1))
    with pytest.raises(QuantityLimit):
        begin(cart_id, actor, uuid4())
    assert Cart.objects.get(id=cart_id).state == CartState.OPEN


def test_completing_is_told_once() -> None:
    """Again is no error and no event; another order's word is refused."""
    cart_id, actor = filled()
    order = uuid4()
    begin(cart_id, actor, order)
    complete(cart_id, order)
    complete(cart_id, order)
    assert Cart.objects.get().state == CartState.ORDERED
    ((kind, payload),) = outbox()
    assert kind == "cart.cart_checked_out"
    event = decode(payload.encode(), CartCheckedOut)
    assert event == CartCheckedOut(cart_id=cart_id, order_id=order)
    with pytest.raises(CartLocked):
        complete(cart_id, uuid4())
    with pytest.raises(CartNotFound):
        complete(uuid4(), order)


def test_a_failed_order_gives_the_cart_back() -> None:
    """It can change and be ordered again; reopening twice, or for another order, does nothing."""
    cart_id, actor = filled()
    order = uuid4()
    begin(cart_id, actor, order)
    reopen(cart_id, uuid4())
    assert Cart.objects.get().state == CartState.CHECKOUT
    reopen(cart_id, order)
    version = Cart.objects.get().version
    reopen(cart_id, order)
    assert (Cart.objects.get().state, Cart.objects.get().version) == (CartState.OPEN, version)
    begin(cart_id, actor, uuid4())


def test_a_completed_cart_is_not_reopened() -> None:
    """What became an order stays one."""
    cart_id, actor = filled()
    order = uuid4()
    begin(cart_id, actor, order)
    complete(cart_id, order)
    reopen(cart_id, order)
    assert Cart.objects.get().state == CartState.ORDERED


def test_a_coupon_is_counted_while_its_order_stands() -> None:
    """Checkout takes a use, a failed order gives it back."""
    make_coupon(usage_limit=1)
    cart_id, actor = filled()
    found = carts.add_coupon(cart_id=cart_id, actor=actor, code=" ten ", now=NOW)
    assert found.priced.discount.amount == 100
    order = uuid4()
    assert begin(cart_id, actor, order).coupons == ("TEN",)
    assert begin(cart_id, actor, order).discount.amount == 100
    assert Coupon.objects.get().used == 1
    other_id, other = filled()
    with pytest.raises(CouponRefused, match="used up"):
        carts.add_coupon(cart_id=other_id, actor=other, code="TEN", now=NOW)
    reopen(cart_id, order)
    reopen(cart_id, order)
    assert (Coupon.objects.get().used, CouponUse.objects.count()) == (0, 0)
    carts.add_coupon(cart_id=other_id, actor=other, code="TEN", now=NOW)


def test_a_coupon_that_ended_blocks_the_checkout() -> None:
    """The shopper must see the new total first; without the coupon the cart can be ordered."""
    make_coupon()
    cart_id, actor = filled()
    carts.add_coupon(cart_id=cart_id, actor=actor, code="TEN", now=NOW)
    coupons.change_coupon(code="TEN", values={"active": False})
    shown = carts.show(carts.visible_cart(cart_id, actor=actor), now=NOW)
    assert (shown.priced.discount.amount, shown.warnings[0].code) == (0, "coupon_refused")
    with pytest.raises(CouponRefused):
        begin(cart_id, actor, uuid4())
    carts.remove_coupon(cart_id=cart_id, actor=actor, code="TEN", now=NOW)
    assert begin(cart_id, actor, uuid4()).discount.amount == 0


def test_a_customer_uses_a_coupon_as_often_as_it_allows() -> None:
    """Counted over all carts of the same owner."""
    make_coupon(owner_limit=1)
    first_id, actor = filled()
    second_id, _ = filled(actor)
    for cart_id in (first_id, second_id):
        carts.add_coupon(cart_id=cart_id, actor=actor, code="TEN", now=NOW)
    begin(first_id, actor, uuid4())
    with pytest.raises(CouponRefused, match="used it already"):
        begin(second_id, actor, uuid4())
    assert Cart.objects.get(id=second_id).state == CartState.OPEN


def test_an_unknown_coupon_is_refused() -> None:
    """With the reason, and the cart unchanged."""
    cart_id, actor = filled()
    with pytest.raises(CouponRefused, match="no longer exists"):
        carts.add_coupon(cart_id=cart_id, actor=actor, code="NOPE", now=NOW)
    assert Cart.objects.get().coupons == []


def test_a_guests_cart_becomes_the_customers() -> None:
    """Where none waits there, the cart itself changes hands."""
    cart_id = guest_cart(TEA=1)
    mine = customer()
    found = merging.claim(cart_id=cart_id, actor=both(mine), now=NOW)
    assert (found.cart.id, found.cart.owner) == (cart_id, next(iter(mine.owners)))
    assert merging.claim(cart_id=cart_id, actor=mine, now=NOW).cart.version == found.cart.version


def both(mine: Actor) -> Actor:
    """Somebody who has just signed in and still has the guest's token."""
    return Actor(kind=mine.kind, id=mine.id, owners=mine.owners | {"guest:g"})


def guest_cart(**quantities: int) -> UUID:
    """A guest's cart whose owner reference is ``guest:g``."""
    actor = guest()
    cart_id = uuid4()
    store.create(cart_id, owner="guest:g", now=NOW)
    for sku, quantity in quantities.items():
        carts.add_line(cart_id=cart_id, actor=actor, sku=sku, quantity=quantity, now=NOW)
    return cart_id


def test_a_guests_cart_goes_into_the_one_that_waits() -> None:
    """Quantities add up within limits, the guest's cart ends, and it is told once."""
    mine = customer()
    waiting, _ = filled(mine, CAN=3, TEA=1)
    cart_id = guest_cart(CAN=4, MUG=2)
    found = merging.claim(cart_id=cart_id, actor=both(mine), now=NOW)
    assert found.cart.id == waiting
    assert {line.sku: line.quantity for line in found.cart.lines} == {"CAN": 5, "TEA": 1, "MUG": 2}
    again = merging.claim(cart_id=cart_id, actor=both(mine), now=NOW)
    assert again.cart.version == found.cart.version
    with pytest.raises(CartNotFound):
        carts.visible_cart(cart_id, actor=guest())
    ((_, payload),) = outbox()
    event = decode(payload.encode(), CartMerged)
    assert (event.cart_id, event.into_cart_id) == (cart_id, waiting)


def test_claiming_needs_both_proofs() -> None:
    """Neither a customer without the token nor a guest without an account takes a cart."""
    cart_id = guest_cart(TEA=1)
    for actor in (customer(), guest()):
        with pytest.raises(CartNotFound):
            merging.claim(cart_id=cart_id, actor=actor, now=NOW)


def test_a_cart_being_ordered_is_not_claimed() -> None:
    """It belongs to its order."""
    cart_id = guest_cart(TEA=1)
    begin(cart_id, guest(), uuid4())
    with pytest.raises(CartLocked):
        merging.claim(cart_id=cart_id, actor=both(customer()), now=NOW)


def test_idle_carts_of_guests_are_swept() -> None:
    """Customers' carts and orders stay, and so does what was touched since."""
    old = guest_cart(TEA=1)
    young = guest_cart(TEA=1)
    kept, _ = filled()
    long_ago = NOW - IDLE - timedelta(seconds=1)
    Cart.objects.filter(id__in=[old, kept]).update(updated_at=long_ago)
    assert sweep_idle(now=NOW) == 1
    assert set(Cart.objects.values_list("id", flat=True)) == {young, kept}
    assert Line.objects.filter(cart_id=old).count() == 0


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        (lambda: Line.objects.update(quantity=0), "cart_line_quantity"),
        (lambda: Cart.objects.update(state="lost"), "cart_order_iff_locked"),
        (lambda: Cart.objects.update(state="checkout"), "cart_order_iff_locked"),
        (lambda: Cart.objects.update(merged_into=uuid4()), "cart_merged_into"),
        (lambda: Coupon.objects.update(used=2), "cart_coupon_not_overused"),
        (lambda: Coupon.objects.update(amount=5), "cart_coupon_value"),
    ],
)
def test_the_database_refuses_impossible_rows(change: Callable[[], Any], constraint: str) -> None:
    """Even a statement that goes round the service cannot store them."""
    filled()
    make_coupon(usage_limit=1)
    with pytest.raises(IntegrityError, match=constraint):
        change()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run them at the same time; what each gave or raised."""
    results: list[Any] = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(index: int) -> None:
        barrier.wait()
        try:
            results[index] = calls[index]()
        except ContractError as error:
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_of_two_orders_at_once_one_gets_the_cart() -> None:
    """Eight orders ask for it at the same time: one snapshot, seven refusals."""
    cart_id, actor = filled()
    results = together(*(lambda: begin(cart_id, actor, uuid4()) for _ in range(8)))
    assert sum(isinstance(result, CartSnapshot) for result in results) == 1
    assert sum(isinstance(result, CartLocked) for result in results) == 7


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_one_order_asking_at_once_gets_one_snapshot() -> None:
    """Retries that overtake each other all get the same answer."""
    cart_id, actor = filled()
    order = uuid4()
    results = together(*(lambda: begin(cart_id, actor, order) for _ in range(6)))
    assert len(set(results)) == 1


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_no_addition_is_lost() -> None:
    """Eight clicks at the same time add eight."""
    cart_id, actor = filled(TEA=1)
    together(
        *(
            lambda: carts.add_line(cart_id=cart_id, actor=actor, sku="TEA", quantity=1, now=NOW)
            for _ in range(8)
        )
    )
    assert Line.objects.get().quantity == 9
    assert Cart.objects.get().version == 10


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_a_coupon_is_never_overused() -> None:
    """Six orders want its last use at the same time: one gets it."""
    make_coupon(usage_limit=1)
    mine = [filled() for _ in range(6)]
    for cart_id, actor in mine:
        carts.add_coupon(cart_id=cart_id, actor=actor, code="TEN", now=NOW)
    results = together(
        *(lambda pair=pair: begin(pair[0], pair[1], uuid4()) for pair in mine)  # type: ignore[misc]
    )
    assert sum(isinstance(result, CartSnapshot) for result in results) == 1
    assert sum(isinstance(result, CouponRefused) for result in results) == 5
    assert Coupon.objects.get().used == 1
    assert Cart.objects.filter(state="checkout").count() == 1


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_claiming_at_once_merges_once() -> None:
    """Two tabs log in: the quantities are added once."""
    mine = customer()
    waiting, _ = filled(mine, TEA=1)
    cart_id = guest_cart(TEA=2)
    together(*(lambda: merging.claim(cart_id=cart_id, actor=both(mine), now=NOW) for _ in range(4)))
    found = store.read(waiting)
    assert found is not None
    assert [(line.sku, line.quantity) for line in found.lines] == [("TEA", 3)]
    assert len(outbox()) == 1
