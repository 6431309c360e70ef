"""What an import did."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN = 1_000  # row errors kept; all are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """What is wrong with the row on ``line`` of the file (the header is line 1)."""

    line: int
    reason: str


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """Counts of an import. ``present``: orders that had been imported before.

    ``resumed_after``: rows that an earlier, interrupted import had dealt with.
    """

    path: str
    dry_run: bool
    rows: int = 0
    orders: int = 0
    lines: int = 0
    present: int = 0
    refused: int = 0
    resumed_after: int = 0
    seconds: float = 0.0
    error_count: int = 0
    errors: list[RowError] = field(default_factory=list)
    rolled_back: bool = False

    @property
    def has_differences(self) -> bool:
        """Whether some rows were refused."""
        return self.error_count > 0

    def add_error(self, line: int, reason: str) -> None:
        self.error_count += 1
        if len(self.errors) < SHOWN:
            self.errors.append(RowError(line=line, reason=reason))
