"""Reads the file once, in batches: each batch and its checkpoint are one transaction."""

from __future__ import annotations

import csv
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from random import Random
from typing import TextIO

from django.db import transaction

from modules.orders.contract import ImportRefused
from modules.orders.importing import copying
from modules.orders.importing.report import ImportReport
from modules.orders.importing.rows import COLUMNS, Basket, baskets
from modules.orders.models import ImportCheckpoint
from modules.orders.queries import ALIAS
from modules.platform.databases import atomic

BATCH = 20_000  # rows a transaction: long enough for COPY, short enough to lose little
Advance = Callable[[int], None]


class _RolledBack(Exception):
    """An atomic import met a row that it cannot take."""


def import_orders(
    path: Path,
    *,
    currency: str,
    dry_run: bool = False,
    all_or_nothing: bool = False,
    advance: Advance = lambda rows: None,
) -> ImportReport:
    """Create CLOSED orders from the file's lines; rows of an order follow each other.

    An order with a bad row is left out as a whole; with ``all_or_nothing`` everything is. Orders
    that are there already are left alone, and an interrupted import goes on where it stopped.
    ``advance`` is told how many rows are done. Raises ImportRefused.
    """
    started = time.monotonic()
    report = ImportReport(path=str(path), dry_run=dry_run)
    digest = _digest(path)
    whole = atomic("orders") if all_or_nothing else nullcontext()
    try:
        with whole:
            _read(path, digest, currency, report, all_or_nothing, advance)
            if all_or_nothing and report.error_count:
                raise _RolledBack
    except _RolledBack:
        report.orders = report.lines = 0
        report.rolled_back = True
    report.seconds = round(time.monotonic() - started, 3)
    return report


def count_rows(path: Path) -> int:
    """About how many rows the file has, for the progress. Raises ImportRefused."""
    with _open_bytes(path) as file:
        found = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return max(found - 1, 0)


def _read(
    path: Path,
    digest: str,
    currency: str,
    report: ImportReport,
    all_or_nothing: bool,
    advance: Advance,
) -> None:
    checkpoint = None
    if not all_or_nothing:
        checkpoint = ImportCheckpoint.objects.using(ALIAS).filter(digest=digest).first()
    report.resumed_after = checkpoint.rows if checkpoint else 0
    advance(report.resumed_after)
    load = _Load(report=report, digest=digest, currency=currency)
    passed = 0
    for basket in baskets(_records(path), currency):
        passed += basket.count
        if passed <= report.resumed_after:
            load.seen.add(hash(basket.order))
            continue
        load.add(basket)
        if load.size >= BATCH:
            advance(load.write())
    advance(load.write(done=True))


@dataclass(slots=True, kw_only=True)
class _Load:
    """The batch being gathered, and the orders seen so far (as hashes: there may be millions)."""

    report: ImportReport
    digest: str
    currency: str
    size: int = 0
    batch: list[Basket] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    random: Random = field(default_factory=lambda: Random(os.urandom(16)))  # noqa: S311

    def add(self, basket: Basket) -> None:
        if hash(basket.order) in self.seen:
            reason = f"order: rows of {basket.order} do not follow each other"
            basket.errors.append((basket.last_line, reason))
        self.seen.add(hash(basket.order))
        self.batch.append(basket)
        self.size += basket.count

    def write(self, *, done: bool = False) -> int:
        """Store the batch and its checkpoint; how many rows it was."""
        size, batch = self.size, self.batch
        self.size, self.batch = 0, []
        good = _good(batch, self.report)
        self.report.rows += size
        if self.report.dry_run:
            self.report.orders += len(good)
            self.report.lines += sum(len(basket.rows) for basket in good)
            return size
        with transaction.atomic(using=ALIAS):
            written = copying.write(good, currency=self.currency, random=self.random)
            self.report.orders += written.orders
            self.report.lines += written.lines
            self._mark(done)
        return size

    def _mark(self, done: bool) -> None:
        values = {
            "path": self.report.path[-500:],
            "rows": self.report.resumed_after + self.report.rows,
            "orders": self.report.orders,
            "done": done,
        }
        rows = ImportCheckpoint.objects.using(ALIAS)
        rows.update_or_create(digest=self.digest, defaults=values)


def _good(batch: list[Basket], report: ImportReport) -> list[Basket]:
    """The orders that can be taken; notes why others cannot."""
    there = copying.present([basket.order for basket in batch])
    found: list[Basket] = []
    for basket in batch:
        for line, reason in basket.errors:
            report.add_error(line, reason)
        if basket.errors:
            report.refused += 1
        elif basket.order in there:
            report.present += 1
        else:
            found.append(basket)
    return found


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    with _open_text(path) as file:
        reader = csv.reader(file)
        try:
            header = next(reader, [])
            order = _positions(path, header)
            for cells in reader:
                if cells:
                    yield reader.line_num, _arranged(cells, order, len(header))
        except (csv.Error, UnicodeDecodeError) as error:
            reason = f"line {reader.line_num + 1}: {error}"
            raise ImportRefused(path=str(path), reason=reason) from error


def _positions(path: Path, header: list[str]) -> list[int]:
    names = [name.strip().lower() for name in header]
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ImportRefused(path=str(path), reason=f"it has no column {', '.join(missing)}")
    return [names.index(name) for name in COLUMNS]


def _arranged(cells: list[str], order: list[int], width: int) -> list[str]:
    return [cells[position] for position in order] if len(cells) == width else cells[:1]


def _open_text(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise ImportRefused(path=str(path), reason=error.strerror or str(error)) from error


def _open_bytes(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise ImportRefused(path=str(path), reason=error.strerror or str(error)) from error


def _digest(path: Path) -> str:
    with _open_bytes(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
