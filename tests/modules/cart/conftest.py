"""What the cart's tests share: a catalogue and an inventory that answer, shoppers, coupons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from modules.cart.models import Coupon
from modules.cart.service import coupons
from modules.catalog.contract import Catalog, Variant
from modules.inventory.contract import Availability, Inventory, Reservation
from modules.platform.binding import LocalRoute, routed
from modules.platform.contracts import Actor, ActorKind, Money, Unavailable
from modules.platform.rest import authentication

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def variant(sku: str = "TEA", amount: int = 499, **fields: Any) -> Variant:
    """A variant on sale; say what differs."""
    return replace(
        Variant(
            sku=sku,
            product_id=UUID(int=1),
            name=f"Product {sku}",
            price=Money(amount=amount, currency="EUR"),
            tax_class="standard",
            tax_basis_points=2000,
            weight_grams=100,
            max_per_order=0,
            sellable=True,
            category="food",
            brand="Acme",
            image_url="",
        ),
        **fields,
    )


class FakeCatalog:
    """Variants in a dict; counts its calls."""

    def __init__(self) -> None:
        self.known: dict[str, Variant] = {}
        self.calls = 0

    def sells(self, *variants: Variant) -> None:
        self.known |= {each.sku: each for each in variants}

    def variants(self, *, skus: tuple[str, ...]) -> tuple[Variant, ...]:
        self.calls += 1
        return tuple(self.known[sku] for sku in skus if sku in self.known)


class FakeInventory:
    """A thousand of everything but what ``stock`` says; can be away."""

    def __init__(self) -> None:
        self.stock: dict[str, int] = {}
        self.away = False

    def availability(self, *, skus: tuple[str, ...]) -> tuple[Availability, ...]:
        if self.away:
            raise Unavailable
        return tuple(
            Availability(
                sku=sku,
                on_hand=1000,
                reserved=0,
                allocated=0,
                available=self.stock.get(sku, 1000),
                backorderable=False,
                version=1,
            )
            for sku in skus
        )

    def reserve(self, command: Any) -> Reservation:
        raise NotImplementedError

    allocate = reserve

    def release(self, command: Any) -> None:
        raise NotImplementedError

    restock = release

    def set_stock(self, command: Any) -> int:
        raise NotImplementedError

    def reservation(self, *, order_id: UUID) -> Reservation:
        raise NotImplementedError


@pytest.fixture
def catalog() -> Iterator[FakeCatalog]:
    fake = FakeCatalog()
    fake.sells(variant("TEA", 499), variant("MUG", 1250), variant("CAN", 89, max_per_order=5))
    with routed(Catalog, LocalRoute(fake)):
        yield fake


@pytest.fixture
def inventory() -> Iterator[FakeInventory]:
    fake = FakeInventory()
    with routed(Inventory, LocalRoute(fake)):
        yield fake


@pytest.fixture
def tokens() -> Iterator[dict[str, Actor]]:
    """Bearer credentials that are known: ``staff`` and any that a test adds."""
    known = {
        "staff": Actor(kind=ActorKind.STAFF, id="s", scopes=frozenset({"cart:write", "cart:read"}))
    }
    authentication._verifiers.insert(0, known.get)
    yield known
    authentication._verifiers.remove(known.get)


def customer(customer_id: UUID | None = None) -> Actor:
    """Somebody signed in."""
    owner = f"customer:{customer_id or uuid4()}"
    return Actor(kind=ActorKind.CUSTOMER, id=owner, owners=frozenset({owner}))


def guest(owner: str = "guest:g") -> Actor:
    """Somebody with a Cart-Token."""
    return Actor(owners=frozenset({owner}))


def make_coupon(code: str = "TEN", **values: Any) -> Coupon:
    """Ten percent off; say what differs."""
    values = {"kind": "percent", "basis_points": 1000} | values
    return coupons.create_coupon(code=code, values=values, now=NOW)
