"""What the catalogue's tests share: an inventory that answers, staff, and products."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from modules.catalog.bootstrap import bootstrap
from modules.catalog.models import Product
from modules.catalog.service.products import NewProduct, create_product, publish_product
from modules.catalog.service.variants import NewVariant
from modules.inventory.contract import Availability, Inventory, Reservation, SetStock
from modules.platform.binding import LocalRoute, routed
from modules.platform.contracts import Actor, ActorKind, Money, Unavailable
from modules.platform.rest import authentication

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class FakeInventory:
    """Stock in a dict; counts its calls; can be away."""

    def __init__(self) -> None:
        self.stock: dict[str, int] = {}
        self.calls: list[tuple[str, ...]] = []
        self.keys: set[str] = set()
        self.away = False

    def availability(self, *, skus: tuple[str, ...]) -> tuple[Availability, ...]:
        if self.away:
            raise Unavailable
        self.calls.append(skus)
        return tuple(
            Availability(
                sku=sku,
                on_hand=self.stock[sku],
                reserved=0,
                allocated=0,
                available=self.stock[sku],
                backorderable=False,
                version=1,
            )
            for sku in skus
            if sku in self.stock
        )

    def set_stock(self, command: SetStock) -> int:
        if self.away:
            raise Unavailable
        before = dict(self.stock)
        self.keys.add(command.idempotency_key)
        self.stock |= {level.sku: level.on_hand for level in command.levels}
        return sum(before.get(level.sku) != level.on_hand for level in command.levels)

    def reserve(self, command: Any) -> Reservation:
        raise NotImplementedError

    allocate = reserve

    def release(self, command: Any) -> None:
        raise NotImplementedError

    restock = release

    def reservation(self, *, order_id: UUID) -> Reservation:
        raise NotImplementedError


@pytest.fixture
def inventory() -> Iterator[FakeInventory]:
    fake = FakeInventory()
    with routed(Inventory, LocalRoute(fake)):
        yield fake


@pytest.fixture
def tax_classes(db: None) -> None:
    bootstrap()


@pytest.fixture
def staff() -> Iterator[dict[str, str]]:
    """Headers of somebody who may write the catalogue."""
    actor = Actor(
        kind=ActorKind.STAFF, id="s", scopes=frozenset({"catalog:write"}), label="s@shop.test"
    )

    def verifier(credential: str) -> Actor | None:
        return actor if credential == "staff-token" else None

    authentication._verifiers.insert(0, verifier)
    yield {"Authorization": "Bearer staff-token"}
    authentication._verifiers.remove(verifier)


def make_product(
    sku: str = "TEA-1",
    *,
    name: str = "Green tea",
    amount: int = 499,
    currency: str = "EUR",
    now: datetime = NOW,
    published: bool = True,
    **fields: Any,
) -> Product:
    """A product with one SKU, on sale unless ``published`` is false."""
    variant = NewVariant(sku=sku, price=Money(amount=amount, currency=currency))
    made = create_product(NewProduct(name=name, variants=[variant], **fields), now=now)
    return publish_product(product_id=made.id, now=now) if published else made
