"""``judge``: what the readings since a moment say of a module; and the keeping of readings."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from django.db.models.functions import Now

from modules.extraction.analysis.bounds import DEFAULT, EVERY, Bounds, looks
from modules.extraction.analysis.collecting import collected, differences_since
from modules.extraction.analysis.judging import Judgement, Verdict, judged
from modules.extraction.analysis.models import Reading
from modules.extraction.analysis.readings import Counted, Pair, Side, added, pairs
from modules.extraction.standings import standing_of

__all__ = ["Judgement", "Verdict", "judge", "read"]

KEPT = timedelta(days=1)
BEFORE = timedelta(hours=1)  # whose numbers stand in where the monolith does nothing any more
BUCKETS = 100  # percent: then there is no monolith beside it


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
    kept = Reading.objects.filter(module=module, at__gte=since)
    first, last = kept.order_by("at", "id").first(), kept.order_by("at", "id").last()
    if first is None or last is None:
        return judged(module, (), bounds=bounds)
    found, note = _beside(module, first, _between(first, last))
    return judged(
        module,
        found,
        differences_since(module, first.at),
        seconds=(last.at - first.at).total_seconds(),
        looks=looks(hold or (last.at - first.at).total_seconds(), every),
        bounds=bounds,
        note=note,
        same_minutes=not note,
        troubles=_counted(last).troubles,
    )


def _between(first: Reading, last: Reading) -> tuple[Pair, ...]:
    return pairs(added(_counted(first), _counted(last)))


def _counted(row: Reading) -> Counted:
    return msgspec.convert(row.body, Counted)


def _beside(module: str, first: Reading, found: tuple[Pair, ...]) -> tuple[tuple[Pair, ...], str]:
    """At 100 % the monolith does nothing: its numbers are those of the share before."""
    if first.percent < BUCKETS:
        return found, ""
    divided = Reading.objects.filter(module=module, at__lt=first.at, percent__lt=BUCKETS)
    end = divided.order_by("at", "id").last()
    if end is None:
        return found, ""
    begin = divided.filter(at__gte=end.at - BEFORE).order_by("at", "id").first()
    assert begin is not None  # noqa: S101 - `end` is one of them
    before = {one.kind: one.monolith for one in _between(begin, end)}
    changed = tuple(
        Pair(kind=one.kind, canary=one.canary, monolith=before.get(one.kind, Side()))
        for one in found
    )
    return changed, f"the monolith's minutes until {end.percent} %"
