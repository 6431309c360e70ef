"""``judge``: what the readings since a moment say of a module; and the keeping of readings.

``judge_moved`` says it after a cutover, when nobody does the same work beside the service any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import msgspec
from django.db.models.functions import Now

from modules.extraction.analysis.bounds import DEFAULT, EVERY, Bounds, looks
from modules.extraction.analysis.collecting import collected, differences_since
from modules.extraction.analysis.judging import DIFFERENCES, Judgement, Verdict, judged
from modules.extraction.analysis.models import Reading
from modules.extraction.analysis.readings import Counted, Pair, Side, added, pairs
from modules.extraction.standings import standing_of

__all__ = ["Judgement", "Verdict", "judge", "judge_moved", "read"]

KEPT = timedelta(days=1)
BEFORE = timedelta(hours=1)  # whose numbers stand in where the monolith does nothing any more
BUCKETS = 100  # percent: then there is no monolith beside it
NOTHING_BEFORE = "nobody has read the monolith's numbers before the cutover"


def read(module: str, metrics: str = "") -> Reading:
    """Look once, and keep what was seen."""
    counted = collected(module, metrics)
    row = Reading.objects.create(
        module=module, percent=standing_of(module).percent, body=msgspec.to_builtins(counted)
    )
    row.refresh_from_db(fields=["at"])
    Reading.objects.filter(module=module, at__lt=Now() - KEPT).delete()
    return row


def judge(
    module: str,
    since: datetime,
    *,
    hold: float = 0.0,
    every: float = EVERY,
    bounds: Bounds = DEFAULT,
) -> Judgement:
    """Of the first reading at or after ``since`` and the last one there is.

    ``hold`` is for how many seconds somebody looks in all, ``every`` so many. Nothing is read: who
    raises a canary does. With one reading or none it is inconclusive.
    """
    found = _since(module, since)
    if found is None:
        return judged(module, (), bounds=bounds)
    before = _before(module, found.first) if found.first.percent >= BUCKETS else None
    note = f"the monolith's minutes until {before.last.percent} %" if before else ""
    return judged(
        module,
        _beside(before, found.pairs) if before else found.pairs,
        differences_since(module, found.first.at),
        seconds=found.seconds,
        looks=looks(hold or found.seconds, every),
        bounds=bounds,
        note=note,
        same_minutes=not note,
        troubles=_counted(found.last).troubles,
    )


def judge_moved(
    module: str,
    since: datetime,
    *,
    hold: float = 0.0,
    every: float = EVERY,
    bounds: Bounds = DEFAULT,
) -> Judgement:
    """The service's work since the cutover (or later), beside the monolith's before it.

    The monolith's is that of the last hour before, from readings of that time. Durations are judged
    as well, though the minutes are others: nothing is taken back by what is said here, and somebody
    whose callers wait for longer than before wants to know it, whatever the cause. Without numbers
    from before it is inconclusive. Otherwise as ``judge``.
    """
    found = _since(module, since)
    if found is None:
        return judged(module, (), bounds=bounds)
    before = _before(module, found.first)
    said = judged(
        module,
        _beside(before, found.pairs),
        seconds=found.seconds,
        looks=looks(hold or found.seconds, every),
        bounds=bounds,
        note=before.words if before else NOTHING_BEFORE,
        troubles=_counted(found.last).troubles,
    )
    # Answers of both sides are compared no longer.
    lines = tuple(one for one in said.lines if one.measure != DIFFERENCES)
    return replace(said, lines=lines, sides=("service", "monolith before"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """What was done between two readings."""

    first: Reading
    last: Reading

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return pairs(added(_counted(self.first), _counted(self.last)))

    @property
    def seconds(self) -> float:
        return (self.last.at - self.first.at).total_seconds()

    @property
    def words(self) -> str:
        return (
            f"the monolith's {self.seconds:.0f} s until {self.last.at.astimezone(UTC):%H:%M:%S} UTC"
        )


def _since(module: str, since: datetime) -> _Span | None:
    kept = Reading.objects.filter(module=module, at__gte=since).order_by("at", "id")
    first, last = kept.first(), kept.last()
    return None if first is None or last is None else _Span(first=first, last=last)


def _before(module: str, first: Reading) -> _Span | None:
    """The last hour in which the monolith did a part of the work, or all of it."""
    divided = Reading.objects.filter(module=module, at__lt=first.at, percent__lt=BUCKETS)
    last = divided.order_by("at", "id").last()
    if last is None:
        return None
    begin = divided.filter(at__gte=last.at - BEFORE).order_by("at", "id").first()
    assert begin is not None  # noqa: S101 - `last` is one of them
    return _Span(first=begin, last=last)


def _beside(before: _Span | None, found: tuple[Pair, ...]) -> tuple[Pair, ...]:
    """The service's side of ``found``, and the monolith's from before."""
    sides = {one.kind: one.monolith for one in before.pairs} if before else {}
    return tuple(replace(one, monolith=sides.get(one.kind, Side())) for one in found)


def _counted(row: Reading) -> Counted:
    return msgspec.convert(row.body, Counted)
