"""``manage.py inventory_audit``: prove that counters equal the ledger."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table

from modules.inventory.service.audit import Audit, audit
from modules.platform.console import ConsoleCommand


class Command(ConsoleCommand):
    """Exit code 0: equal; 3: there are differences."""

    help = "Compare every stock counter with the movement ledger and the open reservations."

    def run(self) -> Audit:
        return audit()

    def render(self, report: Audit) -> RenderableType:
        said = (
            f"{report.rows:,} stock rows against {report.movements:,} movements: "
            f"{len(report.differences):,} differences, {report.shortfalls:,} shortfalls"
        )
        if not report.differences:
            return said
        table = Table("SKU", "Warehouse", "Counter", "Booked", "Proved")
        for found in report.differences:
            table.add_row(
                found.sku, found.warehouse, found.counter, str(found.booked), str(found.proved)
            )
        return Group(table, said)
