"""Import and export: rows, batches, checkpoints, the way there and back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from modules.catalog import exporting
from modules.catalog.exporting import export_pieces, major_units
from modules.catalog.importing import run as running
from modules.catalog.importing.rows import BadHeader, Row, RowError, minor_units, read_rows
from modules.catalog.importing.run import ImportReport, import_products, open_source
from modules.catalog.models import Category, ImportRun, Media, PriceRow, Product, Variant
from modules.inventory.contract import Availability
from modules.platform.contracts import Actor, Unavailable, current_context
from tests.modules.catalog.conftest import NOW, FakeInventory
from tests.modules.catalog.test_service import published

HEADER = "sku,name,description,category,brand,price,currency,stock"
GOOD = (
    "TEA-1,Green tea,Fine leaves,Food > Tea,Kyoto,4.99,EUR,12",
    'MUG-1,"Mug, large",,Kitchen,,12.50,EUR,3',
    "CAN-1,Can,,Food,,0.89,EUR,",
)
database = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("tax_classes", "inventory"),
]


def read(*lines: str) -> list[Row | RowError]:
    return [found for _, found in read_rows([f"{line}\n" for line in lines], currency="EUR")]


def reason(line: str, header: str = HEADER) -> str:
    (found,) = read(header, line)
    assert isinstance(found, RowError)
    return found.reason


def test_a_line_becomes_a_typed_row() -> None:
    """Money in minor units, the category as a path, empty stock as not stated."""
    tea, mug, can = read(HEADER, *GOOD)
    assert isinstance(tea, Row)
    assert (tea.sku, tea.amount, tea.currency, tea.stock) == ("TEA-1", 499, "EUR", 12)
    assert tea.category == ("Food", "Tea")
    assert isinstance(mug, Row)
    assert (mug.name, mug.category, mug.line) == ("Mug, large", ("Kitchen",), 3)
    assert isinstance(can, Row)
    assert can.stock is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("A B,Tea,,,,1,EUR,1", "SKU must be"),
        (",Tea,,,,1,EUR,1", "SKU must be"),
        ("A,,,,,1,EUR,1", "name is empty"),
        ("A,Tea,,,,cheap,EUR,1", "not a number"),
        ("A,Tea,,,,NaN,EUR,1", "not between"),
        ("A,Tea,,,,-1,EUR,1", "not between"),
        ("A,Tea,,,,1e99,EUR,1", "not between"),
        ("A,Tea,,,,1.999,EUR,1", "more decimals"),
        ("A,Tea,,,,1.5,JPY,1", "more decimals"),
        ("A,Tea,,,,1,Euro,1", "ISO 4217"),
        ("A,Tea,,,,1,EUR,many", "stock 'many'"),
        ("A,Tea,,,,1,EUR,-1", "stock '-1'"),
        ("A,Tea,,,,1,EUR,99999999999", "stock"),
        ("A,Tea,,x > > y,,1,EUR,1", "empty or too long name"),
        (f"A,Tea,,{'>'.join('abcdefghijk')},,1,EUR,1", "10 deep"),
        (f"A,{'x' * 201},,,,1,EUR,1", "longer than 200"),
        ("A,Tea,,,,1,EUR", "7 cells"),
        ("A,Te\udce4,,,,1,EUR,1", "UTF-8"),
        ("A,T\x00,,,,1,EUR,1", "cannot be stored"),
    ],
)
def test_a_bad_line_says_why(line: str, why: str) -> None:
    """Each thing that can be wrong has a sentence of its own."""
    assert why in reason(line)


def test_a_sku_stands_in_the_file_once() -> None:
    """The second line with it is refused, with its own line number."""
    found = read(HEADER, GOOD[0], GOOD[1], GOOD[0])[2]
    assert isinstance(found, RowError)
    assert (found.line, found.sku) == (4, "TEA-1")


def test_lines_are_counted_through_line_breaks_in_cells() -> None:
    """An error behind a long description still names its true line."""
    found = read(HEADER, 'A,Tea,"one', "two", 'three",,,1,EUR,1', "B,,,,,1,EUR,1")
    assert isinstance(found[0], Row)
    assert (found[0].line, found[0].end) == (2, 4)
    assert isinstance(found[1], RowError)
    assert found[1].line == 5


@pytest.mark.parametrize("header", ["sku,name", "sku,name,price,colour", "sku,sku,name,price", ""])
def test_a_header_that_is_none_is_refused(header: str) -> None:
    """Missing, unknown and repeated columns."""
    with pytest.raises(BadHeader):
        read(header, "A,Tea,1")


def test_semicolons_a_byte_order_mark_and_blank_lines_are_fine() -> None:
    """As spreadsheets write them."""
    found = read("\ufeffSKU;Name;Price;Category path", "A;Tea;1.50;Food", "", ";;;")
    assert len(found) == 1
    assert isinstance(found[0], Row)
    assert found[0].amount == 150


@given(st.integers(0, 10**12), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_prices_survive_the_way_out_and_back(amount: int, currency: str) -> None:
    """What is written in major units is read as the same minor units."""
    assert minor_units(major_units(amount, currency), currency) == amount


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., ImportReport]:
    """Import these lines."""

    def load(*lines: str, header: str = HEADER, **options: Any) -> ImportReport:
        file = tmp_path / "products.csv"
        file.write_text("\n".join((header, *lines)) + "\n")
        return import_products(open_source(file), **({"now": NOW} | options))

    return load


class TestImport:
    """Against PostgreSQL."""

    pytestmark = database

    def test_products_are_loaded_with_all_that_is_known(
        self, load: Callable[..., ImportReport], inventory: FakeInventory
    ) -> None:
        """Published, priced, in their categories, with history, stock and events."""
        report = load(*GOOD)
        assert (report.rows, report.created, report.refused, report.stocked) == (3, 3, 0, 2)
        tea = Product.objects.get(name="Green tea")
        assert (tea.status, tea.brand, tea.price_amount, tea.skus) == (
            "published",
            "Kyoto",
            499,
            ["TEA-1"],
        )
        assert set(Category.objects.values_list("slug", flat=True)) == {
            "food",
            "food-tea",
            "kitchen",
        }
        assert PriceRow.objects.filter(valid_to=None).count() == 3
        assert inventory.stock == {"TEA-1": 12, "MUG-1": 3}
        assert [type(event).__name__ for event in published()] == ["ProductPublished"] * 3

    def test_importing_again_changes_nothing(self, load: Callable[..., ImportReport]) -> None:
        """No row, no version, no event, no stock."""
        load(*GOOD)
        before = list(Product.objects.order_by("id").values())
        report = load(*GOOD, now=NOW + timedelta(days=1))
        assert (report.unchanged, report.created, report.changed, report.stocked) == (3, 0, 0, 0)
        assert list(Product.objects.order_by("id").values()) == before
        assert len(published()) == 3

    def test_changes_are_found_and_told(self, load: Callable[..., ImportReport]) -> None:
        """A price leaves history; a text does not; each is told."""
        load(*GOOD)
        later = NOW + timedelta(days=1)
        report = load(
            GOOD[0].replace("4.99", "3.99"), GOOD[1].replace("Kitchen", "Food"), now=later
        )
        assert (report.changed, report.unchanged) == (2, 0)
        assert [row.amount for row in PriceRow.objects.filter(variant__sku="TEA-1")] == [499, 399]
        names = [type(event).__name__ for event in published()[3:]]
        assert names == ["PriceChanged", "ProductChanged", "ProductChanged"]
        assert Product.objects.get(name="Green tea").price_amount == 399

    def test_what_the_file_does_not_say_stays(self, load: Callable[..., ImportReport]) -> None:
        """A file of prices alone leaves texts, categories and stock alone."""
        load(*GOOD)
        load("TEA-1,Green tea,5.99", header="sku,name,price")
        tea = Product.objects.get(name="Green tea")
        assert (tea.brand, tea.description, tea.price_amount) == ("Kyoto", "Fine leaves", 599)
        assert tea.category is not None

    def test_bad_rows_are_skipped(self, load: Callable[..., ImportReport]) -> None:
        """The good ones are loaded, the bad ones are named with line and reason."""
        report = load(GOOD[0], "X 1,Bad,,,,1,EUR,1", GOOD[1], "Y,Bad,,,,cheap,EUR,1")
        assert (report.created, report.refused) == (2, 2)
        assert [(error.line, error.sku) for error in report.errors] == [(3, "X 1"), (5, "Y")]

    def test_atomic_loads_nothing_on_a_bad_row(
        self, load: Callable[..., ImportReport], inventory: FakeInventory
    ) -> None:
        """Not the products before it, nor stock, nor categories; without bad rows all of it."""
        report = load(*GOOD, "X 1,Bad,,,,1,EUR,1", all_or_nothing=True)
        assert (report.loaded, report.refused) == (False, 1)
        assert (Product.objects.count(), Category.objects.count(), inventory.stock) == (0, 0, {})
        assert load(*GOOD, all_or_nothing=True).loaded
        assert Product.objects.count() == 3

    def test_a_dry_run_tells_and_changes_nothing(
        self, load: Callable[..., ImportReport], inventory: FakeInventory
    ) -> None:
        """The same counts as the real run, and an untouched database."""
        report = load(*GOOD, "X 1,Bad,,,,1,EUR,1", dry_run=True)
        assert (report.dry_run, report.created, report.refused) == (True, 3, 1)
        assert Product.objects.count() == ImportRun.objects.count() == Category.objects.count() == 0
        assert inventory.stock == {}
        assert published() == []

    def test_variants_share_a_product(self, load: Callable[..., ImportReport]) -> None:
        """Rows with one ``product`` are its variants; the first row speaks for it."""
        header = f"{HEADER},product,variant"
        lines = (
            "S,Shirt,,,,10,EUR,1,shirt,Small",
            "L,Shirt (large),,,,12,EUR,1,shirt,Large",
        )
        assert load(*lines, header=header).created == 2
        shirt = Product.objects.get()
        assert (shirt.name, shirt.skus, shirt.price_amount) == ("Shirt", ["S", "L"], 1000)
        assert load(*lines, header=header).unchanged == 2
        report = load("M,Shirt,,,,11,USD,1,shirt,M", header=header)
        assert "priced in EUR" in report.errors[0].reason
        assert load("M,Shirt,,,,11,EUR,1,shirt,M", header=header).created == 1
        assert Variant.objects.count() == 3
        other = load("M,Shirt,,,,11,EUR,1,skirt,M", header=header)
        assert "belongs to product shirt" in other.errors[0].reason

    def test_pictures_status_and_tax_class_come_along(
        self, load: Callable[..., ImportReport]
    ) -> None:
        """The optional columns are checked and kept."""
        header = "sku,name,price,image_url,status,tax_class,weight_grams,max_per_order"
        first = "A,Tea,1,https://img.test/1.png,draft,reduced,250,5"
        assert load(first, header=header).created == 1
        variant = Variant.objects.select_related("product").get()
        assert (variant.weight_grams, variant.max_per_order) == (250, 5)
        assert (variant.product.status, variant.product.tax_class_id) == ("draft", "reduced")
        assert Media.objects.get().url == variant.product.image_url == "https://img.test/1.png"
        assert load(first, header=header).unchanged == 1
        load(first.replace("1.png", "2.png").replace("draft", "published"), header=header)
        assert Media.objects.get().url == "https://img.test/2.png"
        for bad in ("A,Tea,1,ftp://x,,,,", "A,Tea,1,,sold,,,", "A,Tea,1,,,luxury,,"):
            assert load(bad, header=header).refused == 1

    def test_an_interrupted_import_goes_on_where_it_stopped(
        self, load: Callable[..., ImportReport], monkeypatch: Any
    ) -> None:
        """After Ctrl-C the next run reads on behind the last settled batch."""
        monkeypatch.setattr(running, "BATCH", 2)
        lines = [f"P-{number},Product {number},,,,1,EUR,1" for number in range(6)]

        def stop(rows: int) -> None:
            if Product.objects.count() == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            load(*lines, advance=stop)
        report = load(*lines)
        assert (report.resumed_after_line, report.rows, report.created) == (5, 2, 2)
        assert Product.objects.count() == 6
        run = ImportRun.objects.get()
        assert (run.state, run.created, run.line) == ("done", 6, 7)

    def test_a_batch_without_its_stock_is_settled_again(
        self, load: Callable[..., ImportReport], inventory: FakeInventory
    ) -> None:
        """Inventory was away: the products stand, and the next run brings their stock."""
        inventory.away = True
        with pytest.raises(Unavailable):
            load(*GOOD)
        inventory.away = False
        report = load(*GOOD)
        assert (report.unchanged, report.stocked) == (3, 2)
        assert inventory.stock == {"TEA-1": 12, "MUG-1": 3}

    def test_an_export_imports_without_a_change(
        self, load: Callable[..., ImportReport], tmp_path: Path
    ) -> None:
        """The way out and back is the identity, variants and categories included."""
        load(*GOOD)
        header = f"{HEADER},product,variant"
        load("S,Shirt,,,,10,EUR,1,shirt,Small", "L,Shirt,,,,12,EUR,1,shirt,Large", header=header)
        file = tmp_path / "export.csv"
        file.write_text("".join(text for _, text in export_pieces()))
        report = import_products(open_source(file), now=NOW)
        assert (report.rows, report.unchanged, report.stocked) == (5, 5, 0)

    def test_the_commands_speak_json(self, tmp_path: Path) -> None:
        """A report on stdout that pipes; refused rows exit with 3."""
        file = tmp_path / "products.csv"
        file.write_text("\n".join((HEADER, *GOOD)))
        out = StringIO()
        call_command("import_catalog", file, json=True, stdout=out)
        assert json.loads(out.getvalue())["created"] == 3
        target = tmp_path / "out.csv"
        out = StringIO()
        call_command("export_catalog", target, json=True, stdout=out)
        assert json.loads(out.getvalue())["rows"] == 3
        assert len(target.read_text().splitlines()) == 4
        file.write_text(f"{HEADER}\nX 1,Bad,,,,1,EUR,1")
        with pytest.raises(SystemExit) as exited:
            call_command("import_catalog", file, stdout=StringIO())
        assert exited.value.code == 3
        with pytest.raises(SystemExit) as missing:
            call_command("import_catalog", tmp_path / "none.csv", stderr=StringIO())
        assert missing.value.code == 1

    def test_import_and_export_over_http(
        self, api: Any, staff: dict[str, str], inventory: FakeInventory
    ) -> None:
        """A CSV body in, a report out; and the same CSV back."""
        body = "\n".join((HEADER, *GOOD))
        url = "/api/v1/catalog/imports"
        dry = api.post(f"{url}?dry_run=true", body, content_type="text/csv", headers=staff)
        assert dry.json()["created"] == 3
        assert Product.objects.count() == 0
        done = api.post(url, body, content_type="text/csv", headers=staff)
        assert done.json()["created"] == 3
        bad = api.post(url, "no,header", content_type="text/csv", headers=staff)
        assert (bad.status_code, bad.json()["code"]) == (400, "bad_csv")
        out = api.get("/api/v1/catalog/export", headers=staff | {"Accept": "text/csv"})
        assert out["Content-Type"] == "text/csv"
        assert len(out.getvalue().decode().splitlines()) == 4

    def test_export_over_http_is_sent_while_it_is_read(
        self,
        api: Any,
        staff: dict[str, str],
        load: Callable[..., ImportReport],
        inventory: FakeInventory,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """After its view has returned: for the same caller, and with stock past its deadline."""
        load(*GOOD)
        actors: list[Actor] = []
        availability = inventory.availability

        def noted(*, skus: tuple[str, ...]) -> tuple[Availability, ...]:
            actors.append(current_context().actor)
            return availability(skus=skus)

        monkeypatch.setattr(inventory, "availability", noted)
        monkeypatch.setattr(exporting, "MAX_SKUS", 1)
        asked = staff | {"Accept": "text/csv", "Request-Timeout": "1"}
        pieces = iter(api.get("/api/v1/catalog/export", headers=asked).streaming_content)
        assert len(next(pieces).splitlines()) == 2
        assert len(actors) == 1
        time.sleep(1.1)
        assert [len(piece.splitlines()) for piece in pieces] == [1, 1]
        assert actors == [actors[0]] * 3
        assert actors[0].scopes
