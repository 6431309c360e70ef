"""``backfill``: the first copy, resumably, and then all that was changed meanwhile."""

from __future__ import annotations

import time

from modules.extraction import standings
from modules.extraction.auditing import Recorded
from modules.extraction.errors import WrongPhase
from modules.extraction.leveling import leveled
from modules.extraction.moves import move_of
from modules.extraction.phases import INSTALLED, Direction
from modules.extraction.protocol import sides
from modules.extraction.protocol.copying import Backfill
from modules.extraction.protocol.errors import StalePosition
from modules.extraction.protocol.sides import Move
from modules.extraction.protocol.streams import Stream
from modules.extraction.reports import Report
from modules.extraction.steps import Ask, alone_on_record
from modules.platform.resilience import Deadline

WAIT = 0.02  # seconds before another look where there is nothing to do
CAUGHT_UP = 100  # rows of log that may wait: a cutover brings them in a millisecond


def backfill(ask: Ask) -> Report:
    """Copy what is not copied yet, then catch up. Stopped in between it goes on where it was.

    Raises Paused, WrongPhase, OutOfTime with what was reached, and the protocol's errors.
    """
    ask.check()
    before = standings.standing_of(ask.module)
    check_installed(ask.module, "backfill", carried=(Direction.TO_SERVICE,))
    standings.check_not_paused(ask.module)
    if ask.dry_run:
        would = ("copy what is not copied yet", "bring the changes that were made meanwhile")
        return _report(ask, dry_run=True, would=would)
    with alone_on_record(ask, "backfill") as step:
        leveled(move_of(ask.module), before)
        rows, deadline = _copied(ask, step), ask.deadline()
        lag = caught_up(ask, move_of(ask.module), sides.Direction.FORWARD, deadline)
        step.facts |= {"rows": rows, "lag": lag}
    did = (f"{rows:,} rows are on the other side", f"{lag} changes wait to be brought")
    after = standings.standing_of(ask.module)
    assert before.phase is after.phase  # noqa: S101 - one controller at a time
    return _report(ask, did=did)


def check_installed(module: str, verb: str, *, carried: tuple[Direction, ...]) -> None:
    """Raises WrongPhase unless changes are carried in one of these directions."""
    standing = standings.standing_of(module)
    if standing.phase not in INSTALLED or standing.direction not in carried:
        raise WrongPhase(
            module=module,
            phase=standing.phase.value,
            verb=verb,
            possible=standings.possible(standing.phase),
        )


def caught_up(ask: Ask, move: Move, direction: sides.Direction, deadline: Deadline) -> int:
    """Carry changes until hardly any wait; how many do. Raises OutOfTime, Paused."""
    stream = Stream(move, direction)
    try:
        while True:
            lag = carried_once(stream)
            if lag <= CAUGHT_UP:
                return lag
            ask.in_time(deadline, "catching up", f"{lag:,} changes wait")
            standings.check_not_paused(ask.module)
    finally:
        stream.close()


def carried_once(stream: Stream) -> int:
    """One batch; how many changes still wait. Another applier at the same time is no obstacle."""
    try:
        applied = stream.apply_once()
    except StalePosition:
        return stream.lag()
    return applied.lag_rows


def _copied(ask: Ask, step: Recorded) -> int:
    deadline, began = ask.deadline(), time.monotonic()
    with Backfill(move_of(ask.module)) as copy:
        while True:
            at = copy.step()
            ask.progress(at.table or "all tables", at.done_rows, at.total_rows)
            if at.finished:
                step.facts["copy_seconds"] = round(time.monotonic() - began, 3)
                return at.done_rows
            standings.check_not_paused(ask.module)
            ask.in_time(deadline, "backfill", f"{at.done_rows:,} of {at.total_rows:,} rows")
            if at.waits:
                time.sleep(WAIT)


def _report(
    ask: Ask, *, dry_run: bool = False, would: tuple[str, ...] = (), did: tuple[str, ...] = ()
) -> Report:
    standing = standings.standing_of(ask.module)
    return Report(
        module=ask.module,
        verb="backfill",
        before=standing,
        after=standing,
        dry_run=dry_run,
        would=would,
        did=did,
        next_step=f"manage.py strangler verify {ask.module}",
    )
