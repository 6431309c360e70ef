"""Turns the data into the two CSV files of the shop's importers, and runs these.

The files are kept, so an interrupted load goes on at the importers' checkpoints, and anybody can
see what a documented CSV looks like.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

from django.core.management import call_command, get_commands

from modules.catalog.bootstrap import bootstrap
from modules.catalog.importing.run import (
    ImportReport,
    Source,
    import_products,
    open_source,
    was_imported,
)
from modules.platform.console import CommandFailed, Progress

FORMAT = 1  # of the files made here; a new one makes them anew
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How much of the data: the best sellers and the latest baskets, or (None) all of it."""

    products: int | None
    baskets: int | None
    currency: str

    def name(self, what: str) -> str:
        size = f"{self.products or 'all'}-{self.baskets or 'all'}"
        return f"{what}-{size}-{self.currency}-v{FORMAT}.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The importers' files."""

    products: Path
    lines: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyReport:
    """What was loaded. None: it had been loaded before, or this host has no such module.

    ``orders`` is the report of ``import_orders``.
    """

    files: tuple[str, str]
    dry_run: bool
    catalogue: ImportReport | None
    orders: dict[str, Any] | None

    @property
    def has_differences(self) -> bool:
        refused = self.orders.get("refused", 0) if self.orders else 0
        return bool(refused or (self.catalogue and self.catalogue.refused))


def make_files(choice: Choice, home: Path, *, say: Say) -> Files:
    """The files for ``choice`` under ``home``, made unless they are there.

    Raises JourneyMissing.
    """
    files = Files(products=home / choice.name("products"), lines=home / choice.name("lines"))
    if files.products.exists() and files.lines.exists():
        return files
    # pandas costs a second and 100 MB, so it is imported only where files are made.
    from shop.journey import catalogue, data, history

    home.mkdir(parents=True, exist_ok=True)
    say("reading the Complete Journey data")
    directory = data.data_directory()
    sold = data.read_sold(directory)
    table = catalogue.priced(data.read_products(directory), sold)
    if choice.products is not None:
        table = catalogue.best_sellers(table, choice.products)
        sold = history.whole_baskets(sold, table.index)
    if choice.baskets is not None:
        sold = history.latest_baskets(sold, choice.baskets)
    say(f"writing {len(table):,} products and {len(sold):,} sold lines")
    catalogue.write_products_to(files.products, table, currency=choice.currency)
    history.write_lines_to(files.lines, sold)
    return files


def load(files: Files, *, dry_run: bool, again: bool) -> JourneyReport:
    """Catalogue and stock first, then the orders. What was loaded before is left alone.

    ``again`` loads it once more, which sets stock back to what the file says.
    Raises CommandFailed.
    """
    bootstrap()
    source = open_source(files.products)
    loaded = None
    if again or dry_run or not was_imported(source):
        loaded = _load_products(source, dry_run=dry_run)
    return JourneyReport(
        files=(str(files.products), str(files.lines)),
        dry_run=dry_run,
        catalogue=loaded,
        orders=_load_orders(files.lines, dry_run=dry_run),
    )


def _load_products(source: Source, *, dry_run: bool) -> ImportReport:
    with Progress("products", total=source.lines - 1) as progress:
        return import_products(
            source,
            now=datetime.now(UTC),
            by="load_journey",
            dry_run=dry_run,
            advance=progress.advance,
        )


def _load_orders(path: Path, *, dry_run: bool) -> dict[str, Any] | None:
    if "import_orders" not in get_commands():
        return None
    out = StringIO()
    try:
        call_command("import_orders", str(path), dry_run=dry_run, json=True, stdout=out)
    except SystemExit as exited:
        # With a report on stdout rows were refused and the report says so; without, it failed.
        if not out.getvalue():
            raise CommandFailed(f"import_orders {path} failed") from exited
    report: dict[str, Any] = json.loads(out.getvalue())
    return report
