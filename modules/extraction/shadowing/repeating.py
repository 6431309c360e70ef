"""Repeats the first time of a command on the service's database, and compares it with what it was.

In one dry transaction there, rows are put back as they were before it, whatever came since; then
the command is given, draws the ids that it drew, and is told by its providers what they said. What
it answers, whom it asks what, and every row that it writes must be the same. Times are compared by
how far they are from the moment when it began.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from modules.extraction.protocol import ProtocolError, recording
from modules.extraction.protocol.recording import Recorded
from modules.extraction.protocol.sides import Connection, Move
from modules.extraction.shadowing.answers import differences, different_codes
from modules.extraction.shadowing.comparing import MOST, Found, NotComparable, moment_of
from modules.extraction.shadowing.firsts import FirstTime
from modules.extraction.shadowing.retaining import ASKED_FOR
from modules.platform.hosting.dry import Answered, First, Row, Written
from modules.platform.outside import Exchange

MOST_SINCE = 5_000  # rows made or gone since a command began; more are not put back
AHEAD = 1_000  # numbers that may be drawn at the monolith while the service repeats a command
KEPT = 2 * ASKED_FOR  # recorded rows: longer than any command waits that is compared with them
SLACK = 0.1  # seconds by which times may differ, besides what both took
DRAWN = "(drawn by the database)"
FIRST = "(first time)"  # behind a command's name
Places = dict[tuple[int, str], Row]  # by table and key


class Recordings:
    """What the monolith's database has recorded, while ``source`` is a session there."""

    def __init__(self, source: Connection, move: Move) -> None:
        self._source, self._side, self._move = source, move.source, move
        self._done: list[UUID] = []

    def of(self, text: str) -> tuple[First, Answered]:
        """What the service is to be asked, and what the monolith did then. Raises NotComparable,
        and psycopg's errors.
        """
        first = _read(text)
        if datetime.now(UTC) - first.began > ASKED_FOR:
            raise NotComparable("too long ago")
        if not recording.covers(self._source, self._side, first.since):
            self._arm()
            raise NotComparable("not all since then was recorded")
        self._done.append(first.command)
        own = recording.recording(self._source, self._side, first.command)
        changed = self._since(first) | _before(own)
        asked = First(
            command=first.command,
            changed=list(changed.values()),
            sequences=self._sequences(),
            context=first.context,
            heard=first.heard,
        )
        return asked, _done(first, own)

    def forget(self) -> None:
        """What was recorded of these goes, and what is too old."""
        if self._done:
            recording.forget(self._source, self._side, self._done, KEPT)

    def _arm(self) -> None:
        """Made anew since, or somebody was at the module when it was to be armed."""
        with suppress(ProtocolError, psycopg.Error):
            recording.arm(self._move)

    def _sequences(self) -> dict[str, int]:
        """Ahead of all rows that are there or on their way."""
        known = recording.sequences(self._source, self._side)
        return {name: at + AHEAD for name, at in known.items()}

    def _since(self, first: FirstTime) -> Places:
        """Rows that were made or taken away since it began, whoever did it."""
        most = MOST_SINCE + 1
        since = recording.changed_since(self._source, self._side, first.since, limit=most)
        if len(since) == most:
            raise NotComparable("too much was written since")
        return {
            (one.tab, one.key): Row(tab=one.tab, before=one.before, after=one.after)
            for one in since
        }


def compare_first_times(ours: Answered, theirs: Answered) -> tuple[Found, ...]:
    """In what they differ, at most ``MOST``. Raises NotComparable."""
    if found := different_codes(ours, theirs):
        return found
    parts = (
        ("error", ours.error, theirs.error),
        ("answer", ours.answer, theirs.answer),
        ("asked", _asked(ours), _asked(theirs)),
        ("rows", _rows(ours), _rows(theirs)),
    )
    different = (one for one in differences(parts) if not _is_when(one, ours, theirs))
    return tuple(islice(different, MOST))


def _read(text: str) -> FirstTime:
    try:
        return msgspec.json.decode(text, type=FirstTime)
    except msgspec.MsgspecError as error:
        raise NotComparable("written down by another version") from error


def _done(first: FirstTime, own: list[Recorded]) -> Answered:
    return Answered(
        answer=first.answer,
        error=first.error,
        rows=[Written(table=one.table, key=one.key, before=one.before, row=one.row) for one in own],
        asked=[Exchange(asked=one.asked, of=one.of) for one in first.heard.exchanges],
        began=first.began,
        took=first.took,
    )


def _before(own: list[Recorded]) -> Places:
    """Its rows as they were first. Raises NotComparable if others have written them in between."""
    found: Places = {}
    last: dict[tuple[int, str], str | None] = {}
    for one in own:
        place = one.tab, one.key
        if place in last and last[place] != one.before:
            raise NotComparable("others wrote the same rows")
        last[place] = one.after
        before = found[place].before if place in found else one.before
        found[place] = Row(tab=one.tab, before=before, after=one.after or one.before)
    return found


def _asked(answered: Answered) -> list[dict[str, Any]]:
    return [{"asked": one.asked, **one.of} for one in answered.asked]


def _rows(answered: Answered) -> dict[str, list[Any]]:
    """By table and kind of change (``payment_payment U``): rows as they are in the end."""
    ends: dict[tuple[str, str], tuple[bool, Written]] = {}
    for one in answered.rows:
        was_there, _ = ends.get((one.table, one.key), (one.before is not None, one))
        ends[one.table, one.key] = was_there, one
    found: dict[str, list[Any]] = {}
    for (table, key), (was_there, one) in ends.items():
        if one.row is None:
            if was_there:
                found.setdefault(f"{table} D", []).append(key)
        elif was_there:
            found.setdefault(f"{table} U", []).append(one.row)
        else:
            found.setdefault(f"{table} I", []).append(_without_drawn(one.row, key))
    return dict(sorted(found.items()))


def _without_drawn(row: dict[str, Any], key: str) -> dict[str, Any]:
    """A number that is the new row's key comes from a sequence, and each side has its own."""
    return {
        name: DRAWN if type(value) is int and str(value) == key and name == "id" else value
        for name, value in row.items()
    }


def _is_when(found: Found, ours: Answered, theirs: Answered) -> bool:
    """Whether both are moments as far from the beginning, but for how long it took."""
    if not (isinstance(found.monolith, str) and isinstance(found.service, str)):
        return False
    one, other = moment_of(found.monolith), moment_of(found.service)
    if one is None or other is None or ours.began is None or theirs.began is None:
        return False
    apart = abs((other - theirs.began) - (one - ours.began)).total_seconds()
    return apart <= ours.took + theirs.took + SLACK
