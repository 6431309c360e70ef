"""``manage.py export_catalog``: the catalogue as CSV, as ``import_catalog`` reads it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from django.core.management.base import CommandParser
from rich.console import RenderableType

from modules.catalog.exporting import export_pieces
from modules.platform.console import CommandFailed, ConsoleCommand, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """How many SKUs went where."""

    file: str
    rows: int


class Command(ConsoleCommand):
    """To a file, or to stdout so that it pipes."""

    help = "Write all products with prices and stock as CSV; import_catalog reads it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="Left out: stdout.")

    def run(self, *, file: Path | None) -> ExportReport | None:
        if file is None:
            self._write(sys.stdout)
            return None
        draft = file.with_name(f"{file.name}.new")
        try:
            with draft.open("w", encoding="utf-8", newline="") as out:
                rows = self._write(out)
            draft.replace(file)  # whoever reads the file sees all of it or the one before
        except OSError as error:
            raise CommandFailed(f"{file} cannot be written: {error.strerror}") from error
        return ExportReport(file=str(file), rows=rows)

    def render(self, report: ExportReport) -> RenderableType:
        return f"{report.rows:,} SKUs written to {report.file}"

    def _write(self, out: TextIO) -> int:
        rows = 0
        with Progress("SKUs") as progress:
            for count, text in export_pieces():
                out.write(text)
                rows += count
                progress.advance(count)
        return rows
