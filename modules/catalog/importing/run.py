"""An import from begin to end: batch after batch, with a checkpoint behind each.

A batch is settled in three steps, each safe to repeat: its rows are written in one transaction,
its stock is set outside of any, then the checkpoint moves. A crash in between repeats the batch,
which then finds nothing to change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TextIO
from uuid import UUID

from django.conf import settings
from django.db.models import F

from modules.catalog.importing.batch import Batch, Outcome
from modules.catalog.importing.categories import CategoryPaths
from modules.catalog.importing.rows import Row, RowError, read_rows
from modules.catalog.importing.writing import held_for, write
from modules.catalog.models import ImportRun, ImportState, TaxClass
from modules.inventory.contract import Inventory, SetStock, StockLevel
from modules.platform.binding import use
from modules.platform.databases import atomic

BATCH = 1_000  # rows a transaction; also what inventory takes in one call
SHOWN = 1_000  # errors a report carries; all are counted


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What came of an import. Counts are of rows; ``stocked`` of stock levels that changed."""

    source: str
    dry_run: bool = False
    loaded: bool = True
    resumed_after_line: int = 0
    rows: int = 0
    created: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    stocked: int = 0
    errors: list[RowError] = field(default_factory=list)

    @property
    def has_differences(self) -> bool:
        """Whether rows were refused: the command then exits with 3."""
        return self.refused > 0

    def add(self, outcome: Outcome) -> None:
        self.created += outcome.created
        self.changed += outcome.changed
        self.unchanged += outcome.unchanged

    def refuse(self, errors: list[RowError]) -> None:
        self.refused += len(errors)
        self.errors += errors[: max(0, SHOWN - len(self.errors))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file to import, known by its content."""

    path: Path
    name: str
    digest: str
    lines: int


def open_source(path: Path, *, name: str = "") -> Source:
    """Read the file once for its digest and length. Raises OSError."""
    digest, lines = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            lines += chunk.count(b"\n")
    return Source(path=path, name=name or path.name, digest=digest.hexdigest(), lines=lines)


def import_products(
    source: Source,
    *,
    now: datetime,
    by: str = "",
    dry_run: bool = False,
    all_or_nothing: bool = False,
    advance: Callable[[int], None] = lambda rows: None,
) -> ImportReport:
    """Load the file: bad rows are reported and skipped, good ones loaded.

    With ``all_or_nothing`` the whole file is checked first and one bad row keeps all out. An
    interrupted import of the same content goes on where it stopped. ``advance`` hears how many
    rows are settled. Raises BadHeader, and Unavailable when inventory cannot take the stock.
    """
    if dry_run or all_or_nothing:
        rehearsal = _Import(source, now=now, by=by, run=None).load(
            advance if dry_run else lambda rows: None
        )
        if dry_run or rehearsal.refused:
            rehearsal.loaded = False
            rehearsal.dry_run = dry_run
            return rehearsal
    run, _ = ImportRun.objects.get_or_create(
        digest=source.digest,
        state=ImportState.RUNNING,
        defaults={"source": source.name[:300], "started_at": now, "started_by": by[:200]},
    )
    report = _Import(source, now=now, by=by, run=run).load(advance)
    ImportRun.objects.filter(id=run.id).update(state=ImportState.DONE, finished_at=now)
    return report


def was_imported(source: Source) -> bool:
    """Whether this very content has been imported to its end before."""
    return ImportRun.objects.filter(digest=source.digest, state=ImportState.DONE).exists()


def forget_checkpoint(source: Source) -> None:
    """Let the next import of this content begin at its first line."""
    ImportRun.objects.filter(digest=source.digest, state=ImportState.RUNNING).delete()


class _Import:
    """One pass over the file; without a ``run`` everything is rolled back: a rehearsal."""

    def __init__(self, source: Source, *, now: datetime, by: str, run: ImportRun | None) -> None:
        self.source, self.now, self.by, self.run = source, now, by, run
        self.paths = CategoryPaths()
        self.described: set[UUID] = set()
        self.tax_classes = frozenset(TaxClass.objects.values_list("code", flat=True))
        self.report = ImportReport(
            source=source.name, resumed_after_line=run.line if run is not None else 0
        )

    def load(self, advance: Callable[[int], None]) -> ImportReport:
        with _text(self.source.path) as lines:
            records = read_rows(
                lines,
                currency=settings.SHOP_CURRENCY,
                after=self.report.resumed_after_line,
            )
            while batch := list(islice(records, BATCH)):
                self._settle(batch)
                advance(len(batch))
        return self.report

    def _settle(self, records: list[tuple[int, Row | RowError]]) -> None:
        rows = [found for _, found in records if isinstance(found, Row)]
        errors = [found for _, found in records if isinstance(found, RowError)]
        outcome = self._write(rows)
        errors += outcome.errors
        stocked = self._set_stock(outcome.accepted, first=records[0][0]) if self.run else 0
        self.report.rows += len(records)
        self.report.stocked += stocked
        self.report.add(outcome)
        self.report.refuse(sorted(errors, key=lambda error: error.line))
        if self.run is not None:
            _checkpoint(self.run, records[-1][0], outcome, stocked, len(errors))

    def _write(self, rows: list[Row]) -> Outcome:
        class Rehearsed(Exception):
            """Undoes the transaction of a rehearsal."""

        outcome = Outcome()
        try:
            with atomic("catalog"):
                batch = Batch(
                    held_for(rows),
                    category_id=self.paths.id_of,
                    tax_classes=self.tax_classes,
                    described=self.described,
                    now=self.now,
                )
                outcome = batch.settle(rows)
                write(outcome, now=self.now, by=self.by)
                if self.run is None:
                    raise Rehearsed
        except Rehearsed:
            self.paths.rolled_back()
        else:
            self.paths.committed()
        return outcome

    def _set_stock(self, rows: list[Row], *, first: int) -> int:
        levels = tuple(
            StockLevel(sku=row.sku, on_hand=row.stock) for row in rows if row.stock is not None
        )
        if not levels or self.run is None:
            return 0
        return use(Inventory).set_stock(
            SetStock(
                idempotency_key=f"catalog-import:{self.run.id}:{first}",
                levels=levels,
                reason=f"import of {self.source.name}"[:200],
            )
        )


def _checkpoint(run: ImportRun, line: int, outcome: Outcome, stocked: int, refused: int) -> None:
    ImportRun.objects.filter(id=run.id).update(
        line=line,
        created=F("created") + outcome.created,
        changed=F("changed") + outcome.changed,
        unchanged=F("unchanged") + outcome.unchanged,
        stocked=F("stocked") + stocked,
        refused=F("refused") + refused,
    )


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    # surrogateescape: a byte that is not UTF-8 spoils its row, not the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        yield file
