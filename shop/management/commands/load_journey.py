"""``manage.py load_journey``: real products, stock and orders to begin with."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from rich.console import Group, RenderableType
from rich.table import Table

from modules.catalog.management.commands.import_catalog import render_import
from modules.platform.console import CommandFailed, ConsoleCommand
from shop.journey.errors import JourneyMissing
from shop.journey.load import Choice, JourneyReport, load, make_files

PRODUCTS, BASKETS = 2_000, 10_000  # what a first `make up` loads in well under a minute


class Command(ConsoleCommand):
    """The best sellers by default, everything with --all."""

    help = (
        "Load the Complete Journey grocery data as catalogue, stock and order history: the best "
        "sellers, or all of it with --all (92,331 products, 1.47 million sold lines). Run it "
        "again to go on after an interruption; what is loaded is left alone."
    )
    takes_dry_run = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="All products and all orders.")
        parser.add_argument("--products", type=int, default=PRODUCTS, help="How many products.")
        parser.add_argument("--baskets", type=int, default=BASKETS, help="How many orders.")
        parser.add_argument(
            "--again", action="store_true", help="Load the catalogue again; resets its stock."
        )

    def run(
        self, *, all: bool, products: int, baskets: int, again: bool, dry_run: bool
    ) -> JourneyReport:
        if products < 1 or baskets < 1:
            raise CommandFailed("--products and --baskets are at least 1")
        choice = Choice(
            products=None if all else products,
            baskets=None if all else baskets,
            currency=settings.SHOP_CURRENCY,
        )
        try:
            files = make_files(choice, settings.FICUS_HOME / "journey", say=self._say)
        except JourneyMissing as error:
            raise CommandFailed(str(error)) from error
        return load(files, dry_run=dry_run, again=again)

    def render(self, report: JourneyReport) -> RenderableType:
        parts: list[RenderableType] = []
        if report.catalogue is None:
            parts.append("The catalogue is loaded already (--again loads it once more).")
        else:
            parts.append(render_import(report.catalogue))
        if report.orders is not None:
            parts.append(_table("Orders", report.orders))
        return Group(*parts, f"Files: {', '.join(report.files)}")

    def interrupted(self) -> str:
        return "stopped at a checkpoint; run the same command again to go on."

    def _say(self, text: str) -> None:
        self.stderr.write(text)


def _table(title: str, report: dict[str, Any]) -> Table:
    numbers = {
        name: value
        for name, value in report.items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    table = Table(*(name.replace("_", " ") for name in numbers), title=title)
    table.add_row(*(f"{value:,}" for value in numbers.values()))
    return table
