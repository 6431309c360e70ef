"""The Catalog port, by every way."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from modules.catalog.bootstrap import bootstrap
from modules.catalog.contract import Catalog, TooManySkus
from modules.catalog.service import CatalogService
from modules.platform.binding import use
from modules.platform.contracts import Money
from tests.contracts.ways import Way
from tests.modules.catalog.conftest import make_product

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def catalog(way: Way, transactional_db: None) -> Iterator[Callable[[], Catalog]]:
    """How a caller reaches the port."""
    bootstrap()
    with way(Catalog, CatalogService()):
        yield lambda: use(Catalog)


def test_every_known_sku_is_answered_once(catalog: Callable[[], Catalog]) -> None:
    """In any order, unknown ones left out, a SKU that is asked for twice not twice."""
    make_product("A", amount=100)
    make_product("B", amount=200, published=False)
    found = catalog().variants(skus=("B", "A", "A", "NOPE"))
    assert {(v.sku, v.price, v.sellable) for v in found} == {
        ("A", Money(amount=100, currency="EUR"), True),
        ("B", Money(amount=200, currency="EUR"), False),
    }
    assert len(found) == 2


def test_a_variant_carries_what_a_sale_needs(catalog: Callable[[], Catalog]) -> None:
    """Name, tax, weight and limit come along, in the contract's own types."""
    made = make_product("A", name="Tea")
    (variant,) = catalog().variants(skus=("A",))
    assert (variant.product_id, variant.name, variant.tax_class) == (made.id, "Tea", "standard")
    assert (variant.weight_grams, variant.max_per_order, variant.tax_basis_points) == (0, 0, 0)


def test_nothing_asked_is_nothing_answered(catalog: Callable[[], Catalog]) -> None:
    """No SKUs, no variants."""
    assert catalog().variants(skus=()) == ()


def test_too_many_skus_are_refused_as_such(catalog: Callable[[], Catalog]) -> None:
    """The error arrives as itself, with its fields."""
    with pytest.raises(TooManySkus) as raised:
        catalog().variants(skus=tuple(f"S{number}" for number in range(501)))
    assert raised.value.limit == 500
