"""``verify``: whether both sides have the same rows, by their sums and by looking at every row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from modules.extraction import standings
from modules.extraction.auditing import Outcome, Recorded
from modules.extraction.filling import caught_up, check_installed
from modules.extraction.leveling import leveled
from modules.extraction.moves import move_of
from modules.extraction.phases import Direction, Phase
from modules.extraction.protocol import Direction as Stream
from modules.extraction.protocol import ScrubProgress, ScrubResult, TableDigest, compare, scrub
from modules.extraction.protocol.sides import Move
from modules.extraction.steps import Ask, alone_on_record

BOTH = (Direction.TO_SERVICE, Direction.TO_MONOLITH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One table: rows here and there, and whether their sums are the same."""

    table: str
    monolith: int
    service: int
    equal: bool
    looked_at: int  # rows, one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """A row that is not the same on both sides, seen from the one that has the authority."""

    table: str
    key: str
    kind: str  # missing, extra, changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was compared. ``rows_differ`` counts all, ``samples`` are the first of them."""

    module: str
    tables: tuple[Compared, ...]
    rows_differ: int
    samples: tuple[Differs, ...]
    scrubbed_at: datetime | None
    next_step: str = ""

    @property
    def has_differences(self) -> bool:
        return bool(self.rows_differ) or not all(one.equal for one in self.tables)


def verify(ask: Ask, *, quick: bool = False) -> Verified:
    """Catch up, compare the sums that were kept, and unless ``quick`` every row.

    Changes nothing in the module's tables. Only a clean look at every row lets a cutover through.
    Raises WrongPhase, OutOfTime and the protocol's errors.
    """
    check_installed(ask.module, "verify", carried=BOTH)
    with alone_on_record(ask, "verify") as step:
        move = move_of(ask.module)
        standing = standings.standing_of(ask.module)
        to_service = standing.direction is Direction.TO_SERVICE
        way = Stream.FORWARD if to_service else Stream.REVERSE
        leveled(move, standing)
        caught_up(ask, move, way, ask.deadline())
        found = None if quick else _scrubbed(ask, move)
        report = _verified(ask.module, compare(move), found)
        _note(step, report)
    return report


def _scrubbed(ask: Ask, move: Move) -> ScrubResult:
    deadline = ask.deadline()

    def tell(at: ScrubProgress) -> None:
        ask.progress(at.table, at.rows, 0)
        ask.in_time(deadline, "verify", f"{at.rows:,} rows looked at")

    return scrub(move, tell)


def _verified(module: str, digests: tuple[TableDigest, ...], found: ScrubResult | None) -> Verified:
    looked = dict(found.tables) if found else {}
    return Verified(
        module=module,
        tables=tuple(
            Compared(
                table=one.table,
                monolith=one.source_count,
                service=one.target_count,
                equal=one.equal,
                looked_at=looked.get(one.table, 0),
            )
            for one in digests
        ),
        rows_differ=found.count if found else 0,
        samples=tuple(
            Differs(table=one.table, key=one.key, kind=one.kind)
            for one in (found.differences if found else ())
        ),
        scrubbed_at=found.started_at if found else None,
        next_step=_next(module) if found else "",
    )


def _next(module: str) -> str:
    """The way on from where the module stands."""
    way = "retire" if standings.standing_of(module).phase is Phase.EXTRACTED else "cutover"
    return f"manage.py strangler {way} {module} --dry-run"


def _note(step: Recorded, report: Verified) -> None:
    step.facts |= {
        "rows": sum(one.monolith for one in report.tables),
        "rows_differ": report.rows_differ,
        "tables_differ": [one.table for one in report.tables if not one.equal],
        "looked_at_every_row": report.scrubbed_at is not None,
    }
    if report.has_differences:
        step.outcome = Outcome.DIFFERENCES
