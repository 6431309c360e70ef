"""``manage.py import_orders lines.csv``: the orders of another shop become this one's history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modules.orders.importing import ImportReport, import_orders
from modules.orders.importing.run import count_rows
from modules.platform.console import ConsoleCommand, Progress


class Command(ConsoleCommand):
    """Columns: order, ordered_at, customer, sku, quantity, unit_price; one sold line a row."""

    help = (
        "Import historic orders as closed ones. Rows of an order follow each other; columns: "
        "order, ordered_at (ISO 8601), customer (an account's id, an e-mail address or any name), "
        "sku, quantity, unit_price (major units). Orders that are there already are left alone; an "
        "interrupted import goes on where it stopped. Exit code 3: some rows were refused."
    )
    takes_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="CSV file in UTF-8 with a header.")
        parser.add_argument(
            "--atomic", action="store_true", help="Import nothing if any row is refused."
        )
        parser.add_argument(
            "--currency",
            default=settings.SHOP_CURRENCY,
            type=str.upper,
            help="ISO 4217 code of the prices (default: %(default)s).",
        )

    def run(self, **options: Any) -> ImportReport:
        path: Path = options["path"]
        with Progress("lines", total=count_rows(path)) as progress:
            return import_orders(
                path,
                currency=options["currency"],
                dry_run=options["dry_run"],
                all_or_nothing=options["atomic"],
                advance=progress.advance,
            )

    def render(self, report: ImportReport) -> RenderableType:
        verb = "would be imported" if report.dry_run else "imported"
        table = Table("", "count", title=f"{report.path}: {verb}")
        for name in ("rows", "orders", "lines", "present", "refused", "resumed_after"):
            table.add_row(name.replace("_", " "), f"{getattr(report, name):,}")
        if report.seconds:
            table.add_row("rows a second", f"{report.rows / report.seconds:,.0f}")
        errors = [Text(f"line {error.line}: {error.reason}") for error in report.errors[:50]]
        if report.error_count > len(errors):
            errors.append(Text(f"... and {report.error_count - len(errors):,} more"))
        if report.rolled_back:
            errors.append(Text("Nothing was imported: --atomic, and rows were refused."))
        return Group(table, *errors)

    def interrupted(self) -> str:
        return "stopped; the same command goes on after the last complete batch."
