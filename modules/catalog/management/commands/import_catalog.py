"""``manage.py import_catalog products.csv``: any shop's products, with stock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from django.core.management.base import CommandParser
from rich.console import Group, RenderableType
from rich.table import Table

from modules.catalog.importing.rows import BadHeader
from modules.catalog.importing.run import (
    ImportReport,
    forget_checkpoint,
    import_products,
    open_source,
)
from modules.platform.console import CommandFailed, ConsoleCommand, Progress


class Command(ConsoleCommand):
    """Columns: sku, name, price and any of those that ``help`` names."""

    help = (
        "Load products and stock from CSV (sku, name, description, category 'A > B > C', brand, "
        "price, currency, stock). Bad rows are reported and skipped. Run it again to go on after "
        "an interruption; importing the same file twice changes nothing."
    )
    takes_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="A CSV file in UTF-8 with a header.")
        parser.add_argument("--atomic", action="store_true", help="Nothing if any row is bad.")
        parser.add_argument(
            "--restart", action="store_true", help="Begin at the first line, not the checkpoint."
        )

    def run(self, *, file: Path, atomic: bool, restart: bool, dry_run: bool) -> ImportReport:
        try:
            source = open_source(file)
            if restart:
                forget_checkpoint(source)
            with Progress("products", total=max(source.lines - 1, 0)) as progress:
                return import_products(
                    source,
                    now=datetime.now(UTC),
                    by="import_catalog",
                    dry_run=dry_run,
                    all_or_nothing=atomic,
                    advance=progress.advance,
                )
        except OSError as error:
            raise CommandFailed(f"{file} cannot be read: {error.strerror}") from error
        except BadHeader as error:
            raise CommandFailed(f"{file}: {error}") from error

    def render(self, report: ImportReport) -> RenderableType:
        return render_import(report)

    def interrupted(self) -> str:
        return "stopped at a checkpoint; run the same command again to go on."


def render_import(report: ImportReport) -> RenderableType:
    """The counts, and the first refused rows with line and reason."""
    title = f"{report.source}: {_headline(report)}"
    counts = Table("rows", "created", "changed", "unchanged", "refused", "stock set", title=title)
    numbers = (
        report.rows,
        report.created,
        report.changed,
        report.unchanged,
        report.refused,
        report.stocked,
    )
    counts.add_row(*(f"{number:,}" for number in numbers))
    if not report.errors:
        return counts
    refused = Table("line", "SKU", "reason", title="Refused rows")
    for error in report.errors[:50]:
        refused.add_row(str(error.line), error.sku, error.reason)
    rest = report.refused - min(len(report.errors), 50)
    return Group(counts, refused, f"... and {rest:,} more" if rest else "")


def _headline(report: ImportReport) -> str:
    if report.dry_run:
        return "dry run, nothing was changed"
    if not report.loaded:
        return "nothing was loaded, because rows are bad"
    resumed = report.resumed_after_line
    return f"loaded, resumed after line {resumed:,}" if resumed else "loaded"
