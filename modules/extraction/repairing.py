"""``repair``: rows that were written around the triggers are made those of the authority again.

After it a look at every row is asked for as before: who repairs does not vouch for it, and whoever
wrote around the triggers may still be at it. Only where no row differed its own look was that one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from modules.extraction import standings
from modules.extraction.auditing import Recorded
from modules.extraction.filling import caught_up, check_installed
from modules.extraction.leveling import leveled
from modules.extraction.moves import move_of
from modules.extraction.phases import Direction
from modules.extraction.protocol import (
    Difference,
    Mended,
    ScrubProgress,
    StreamStopped,
    Wrong,
    examine,
    repair,
)
from modules.extraction.protocol import Direction as Stream
from modules.extraction.protocol.repairing import MOST
from modules.extraction.protocol.scrubbing import SHOWN
from modules.extraction.protocol.sides import Move
from modules.extraction.reports import Report
from modules.extraction.steps import Ask, alone_on_record
from modules.extraction.verifying import BOTH


def repair_rows(ask: Ask, *, most: int = MOST) -> Report:
    """Make the rows that differ the authority's, and the sums true; for a dry run say which.

    On record with table, key and kind of each. Raises WrongPhase, Paused, OutOfTime with what was
    reached, NotReady when more than ``most`` rows differ, and the protocol's errors.
    """
    ask.check()
    check_installed(ask.module, "repair", carried=BOTH)
    standings.check_not_paused(ask.module)
    if ask.dry_run:
        found = examine(move_of(ask.module), _telling(ask), most=most)
        return _report(ask, would=tuple(_would(found)), facts=_facts(found.rows, found))
    with alone_on_record(ask, "repair") as step:
        move = move_of(ask.module)
        _level(ask, move)
        done = list[Mended]()

        def mended(one: Mended) -> None:
            done.append(one)
            _note(step, done)

        found = repair(move, _telling(ask), most=most, on_mended=mended)
        _note(step, done, found)
    return _report(ask, did=tuple(_did(done, found)), facts=step.facts)


def _level(ask: Ask, move: Move) -> None:
    """Partitions on both sides; and what waits, which may be more than a look waits for."""
    standing = standings.standing_of(ask.module)
    leveled(move, standing)
    to_service = standing.direction is Direction.TO_SERVICE
    with suppress(StreamStopped):  # by a row that is to be taken out
        caught_up(ask, move, Stream.FORWARD if to_service else Stream.REVERSE, ask.deadline())


def _telling(ask: Ask) -> Any:
    deadline = ask.deadline()

    def tell(at: ScrubProgress) -> None:
        ask.progress(at.table, at.rows, 0)
        ask.in_time(deadline, "repair", f"{at.rows:,} rows of {at.table} looked at")

    return tell


def _note(step: Recorded, done: list[Mended], found: Wrong | None = None) -> None:
    step.facts |= _facts([row for one in done for row in one.rows], found)
    step.facts["tables"] = [one.table for one in done]


def _facts(rows: Iterable[Difference], found: Wrong | None) -> dict[str, Any]:
    listed = [{"table": one.table, "key": one.key, "kind": one.kind} for one in rows]
    facts: dict[str, Any] = {"count": len(listed), "rows": listed}
    if found is not None:
        facts |= {"authority": found.authority, "sums_differed": list(found.sums)}
    return facts


def _would(found: Wrong) -> Iterator[str]:
    for table in found.tables:
        rows = [one for one in found.rows if one.table == table]
        yield _line(table, rows, found, "make")
    yield from _rows(found.rows)
    if found.is_stuck:
        yield "then look at every row: these stop the stream, and more may differ"
    elif not found.tables:
        yield "nothing: no row differs, and no sum"


def _did(done: list[Mended], found: Wrong) -> Iterator[str]:
    for one in done:
        yield _line(one.table, one.rows, found, "made")
    yield from _rows([row for one in done for row in one.rows])
    if not done:
        yield f"nothing: no row of {found.looked_at:,} differs, and no sum"


def _line(table: str, rows: Iterable[Difference], found: Wrong, made: str) -> str:
    kinds = Counter(one.kind for one in rows)
    named = ", ".join(f"{kinds[kind]:,} {kind}" for kind in sorted(kinds))
    sums = "its sums true" if table in found.sums or not named else ""
    count = f"{kinds.total():,} {'row' if kinds.total() == 1 else 'rows'}"
    what = f"{count} the {found.authority}'s ({named})" if named else ""
    return f"{table}: {made} {' and '.join(one for one in (what, sums) if one)}"


def _rows(rows: Iterable[Difference]) -> list[str]:
    return [f"{one.kind}: {one.table} {one.key}" for one in rows][:SHOWN]


def _report(
    ask: Ask,
    *,
    would: tuple[str, ...] = (),
    did: tuple[str, ...] = (),
    facts: dict[str, Any],
) -> Report:
    standing = standings.standing_of(ask.module)
    return Report(
        module=ask.module,
        verb="repair",
        before=standing,
        after=standing,
        dry_run=ask.dry_run,
        would=would,
        did=did,
        next_step="the same without --dry-run"
        if ask.dry_run
        else f"manage.py strangler verify {ask.module}",
        facts=facts,
    )
