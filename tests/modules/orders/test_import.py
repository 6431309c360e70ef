"""Importing historic orders from CSV."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from modules.orders.contract import ImportRefused, OrderState
from modules.orders.importing import ImportReport, import_orders
from modules.orders.importing import run as importing
from modules.orders.models import ImportCheckpoint, Order, OrderLine, TimelineEntry
from modules.orders.queries import get_order

pytestmark = pytest.mark.django_db(transaction=True)

HEADER = "order,ordered_at,customer,sku,quantity,unit_price"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def take(path: Path, **options: Any) -> ImportReport:
    return import_orders(path, currency="USD", **options)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(
        tmp_path / "lines.csv",
        "B1,2017-01-01T10:00:00,ada@example.com,milk,2,1.50",
        "B1,2017-01-01T10:00:00,ada@example.com,bread,1,2.25",
        "B1,2017-01-01T10:00:00,ada@example.com,milk,1,1.50",
        "B2,2017-01-02,household-7,milk,1,1.50",
    )


def test_lines_become_closed_orders(file: Path) -> None:
    """Paid, delivered, closed; the same article at the same price is one line."""
    report = take(file)
    assert (report.rows, report.orders, report.lines, report.error_count) == (4, 2, 3, 0)
    order = get_order(Order.objects.get(external_ref="B1").id)
    assert (order.state, order.payment_state) == (OrderState.CLOSED, "paid")
    assert (order.total.amount, order.email) == (675, "ada@example.com")
    assert [(line.sku, line.quantity) for line in order.lines] == [("milk", 3), ("bread", 1)]
    assert order.placed_at.isoformat() == "2017-01-01T10:00:00+00:00"
    assert Order.objects.get(external_ref="B2").owner == "import:household-7"
    assert TimelineEntry.objects.filter(kind="imported").count() == 2


def test_importing_again_adds_nothing(file: Path, tmp_path: Path) -> None:
    """The same file is done; another file with the same orders finds them there."""
    take(file)
    again = take(file)
    assert (again.orders, again.resumed_after) == (0, 4)
    longer = write(
        tmp_path / "more.csv", *file.read_text().splitlines()[1:], "B3,2017-01-03,x,y,1,1"
    )
    report = take(longer)
    assert (report.orders, report.present) == (1, 2)
    assert Order.objects.count() == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2017-01-01,c,s,1,1", "order: 1 to 100 characters"),
        ("A,yesterday,c,s,1,1", "ordered_at: 'yesterday' is no ISO 8601 time"),
        ("A,2017-01-01,,s,1,1", "customer: 1 to 90 characters"),
        (f"A,2017-01-01,c,{'s' * 65},1,1", "sku: 1 to 64 characters"),
        ("A,2017-01-01,c,s,0,1", "quantity: '0'"),
        ("A,2017-01-01,c,s,1.5,1", "quantity: '1.5'"),
        ("A,2017-01-01,c,s,1,-1", "unit_price: '-1'"),
        ("A,2017-01-01,c,s,1,1.999", "unit_price: '1.999'"),
        ("A,2017-01-01,c,s,1,NaN", "unit_price: 'NaN'"),
        ("A,2017-01-01,c,s,1", "1 columns, 6 are needed"),
        ("B1,2017-01-01T10:00:00,bob,s,1,1", "customer: bob here, ada@example.com on line 2"),
        ("B1,2018-01-01,ada@example.com,s,1,1", "ordered_at: another time than on line 2"),
    ],
)
def test_bad_row_is_named_and_its_order_left_out(tmp_path: Path, row: str, reason: str) -> None:
    """The other orders are imported."""
    path = write(
        tmp_path / "l.csv",
        "B1,2017-01-01T10:00:00,ada@example.com,milk,2,1.50",
        row,
        "B2,2017-01-01,c,s,1,1",
    )
    report = take(path)
    (error,) = report.errors
    assert error.line == 3
    assert reason in error.reason
    assert Order.objects.filter(external_ref="B2").exists()
    assert not Order.objects.filter(external_ref="A").exists()
    assert Order.objects.filter(external_ref="B1").exists() is not row.startswith("B1")


def test_rows_of_an_order_that_do_not_follow_each_other_are_refused(tmp_path: Path) -> None:
    """Otherwise the later ones would be lost in silence."""
    path = write(
        tmp_path / "l.csv",
        "A,2017-01-01,c,s,1,1",
        "B,2017-01-01,c,s,1,1",
        "A,2017-01-01,c,t,1,1",
    )
    report = take(path)
    assert [(e.line, e.reason) for e in report.errors] == [
        (4, "order: rows of A do not follow each other")
    ]


def test_atomic_import_with_a_bad_row_imports_nothing(tmp_path: Path) -> None:
    """All or nothing."""
    path = write(tmp_path / "l.csv", "A,2017-01-01,c,s,1,1", "B,2017-01-01,c,s,x,1")
    report = take(path, all_or_nothing=True)
    assert (report.rolled_back, report.orders, report.error_count) == (True, 0, 1)
    assert not Order.objects.exists()
    assert not ImportCheckpoint.objects.exists()


def test_dry_run_changes_nothing(file: Path) -> None:
    """It counts and checks only."""
    report = take(file, dry_run=True)
    assert (report.orders, report.lines) == (2, 4)
    assert not Order.objects.exists()
    assert not ImportCheckpoint.objects.exists()


def test_interrupted_import_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed is not read into the database again; nothing is lost or doubled."""
    monkeypatch.setattr(importing, "BATCH", 4)
    rows = [f"O{n // 2},2017-01-01,c,s{n},1,1" for n in range(20)]
    path = write(tmp_path / "l.csv", *rows)

    def interrupt(rows: int) -> None:
        if Order.objects.count() >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(path, advance=interrupt)
    before = Order.objects.count()
    assert 0 < before < 10
    report = take(path)
    assert report.resumed_after == before * 2
    assert (Order.objects.count(), OrderLine.objects.count()) == (10, 20)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it has no column order"),
        (b"order,sku\n", "it has no column ordered_at, customer, quantity, unit_price"),
        (HEADER.encode() + b"\n\xff\xfe,1,1,1,1,1\n", "can't decode"),
    ],
)
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """One sentence that says why."""
    path = tmp_path / "l.csv"
    path.write_bytes(content)
    with pytest.raises(ImportRefused, match=reason):
        take(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """The operating system's word for it."""
    with pytest.raises(ImportRefused, match="No such file"):
        take(tmp_path / "none.csv")


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    """The header says which is which; others are not looked at."""
    path = write(
        tmp_path / "l.csv",
        "1.50,note,A,milk,2017-01-01,c,2",
        header="unit_price,remark,order,sku,ordered_at,customer,quantity",
    )
    assert take(path).lines == 1
    assert OrderLine.objects.get().total == 300


def test_command_prints_a_report_and_exits_with_3_for_refused_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON it can be piped."""
    path = write(tmp_path / "l.csv", "A,2017-01-01,c,s,1,1", "B,2017-01-01,c,s,x,1")
    with pytest.raises(SystemExit) as exit_:
        call_command("import_orders", str(path), "--json")
    assert exit_.value.code == 3
    report = json.loads(capsys.readouterr().out)
    assert (report["orders"], report["errors"][0]["line"]) == (1, 3)
