"""The judgement itself: errors, p95 and differences, canary against monolith. Pure.

Three answers: it holds, it fails, or nothing can be said yet. What is not known is never good.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf

from modules.extraction.analysis.bounds import DEFAULT, Bounds
from modules.extraction.analysis.readings import Pair, Side
from modules.extraction.analysis.statistics import beyond, binomial, fisher, quantile

DIFFERENCES = "differences"


class Verdict(StrEnum):
    """What can be said. NOTHING: nobody measures it, or it is too rare to be waited for."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOTHING = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measure: both sides' numbers as people read them, on how many, and what that says.

    ``p`` is the chance of seeing this, or worse, with a canary that is as good as tolerated.
    """

    measure: str
    canary: str
    monolith: str
    canary_count: int
    monolith_count: int
    p: float | None
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """``seconds`` were looked at. ``sides`` is what the two are called, as people read them."""

    module: str
    verdict: Verdict
    lines: tuple[Line, ...]
    seconds: float = 0.0
    sides: tuple[str, str] = ("canary", "monolith")

    @property
    def why(self) -> str:
        """One line: what decides."""
        deciding = [one for one in self.lines if one.verdict is self.verdict] or self.lines
        return "; ".join(f"{one.measure}: {_said(one)}" for one in deciding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Answers of both sides to the same question, and how many differed; None: not measured."""

    compared: int
    different: int


def judged(
    module: str,
    pairs: Sequence[Pair],
    differences: Compared | None = None,
    *,
    seconds: float = 0.0,
    looks: int = 1,
    bounds: Bounds = DEFAULT,
    note: str = "",
    same_minutes: bool = True,
    troubles: Sequence[str] = (),
) -> Judgement:
    """Of what was counted in the same minutes. ``looks`` share the chance of a false alarm.

    ``note`` says where the monolith's minutes are others; unless they are the ``same_minutes``
    durations are shown and not judged: a machine that is busier now is no fault of the canary.
    ``troubles`` are sources that gave no numbers, without which nothing can be called good.
    """
    chance, total = bounds.chance / looks, sum(_work(one) for one in pairs)
    lines = [
        *(
            line
            for pair in pairs
            for line in _of_pair(pair, total, chance, bounds, note, same_minutes)
        ),
        _of_differences(differences, bounds),
        *(_of_trouble(one) for one in troubles),
    ]
    return Judgement(
        module=module, verdict=_together(lines), lines=tuple(lines), seconds=round(seconds, 1)
    )


def _together(lines: Iterable[Line]) -> Verdict:
    """One that fails is enough; one that is open leaves it open; none at all is nothing."""
    found = {one.verdict for one in lines}
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS):
        if verdict in found:
            return verdict
    return Verdict.INCONCLUSIVE


def _of_pair(
    pair: Pair, total: int, chance: float, bounds: Bounds, note: str, same_minutes: bool
) -> Iterator[Line]:
    # Other work is so much more that this need not be waited for.
    rare = _work(pair) < total * bounds.minor
    yield _errors(pair, chance, bounds, rare, note)
    latency = _latency(pair, chance, bounds, rare, note)
    yield latency if same_minutes else replace(latency, verdict=Verdict.NOTHING)


def _work(pair: Pair) -> int:
    return pair.canary.done + pair.monolith.done


def _errors(pair: Pair, chance: float, bounds: Bounds, rare: bool, note: str) -> Line:
    one, other = pair.canary, pair.monolith
    p = fisher(one.failed, one.done, other.failed, other.done)
    excess = _share(one.failed, one.done) - _share(other.failed, other.done)
    is_worse = p < chance and excess > bounds.more_errors and one.failed >= bounds.fewest_faults
    return Line(
        measure=f"errors of {pair.kind}",
        canary=_percent(one.failed, one.done),
        monolith=_percent(other.failed, other.done),
        canary_count=one.done,
        monolith_count=other.done,
        p=p,
        verdict=_verdict(is_worse, one, other, bounds, rare),
        note=note,
    )


def _latency(pair: Pair, chance: float, bounds: Bounds, rare: bool, note: str) -> Line:
    """The canary's p95 is beyond the limit if more than 5 % are; surely, if the monolith has
    significantly fewer there (Mood's test at the limit, which is made from the monolith's p95).
    """
    one, other = pair.canary, pair.monolith
    ours = quantile(bounds.quantile, one.bounds, one.counts)
    theirs = quantile(bounds.quantile, other.bounds, other.counts)
    slow, slow_there, limit = _beyond_limit(one, other, theirs, bounds)
    timed, timed_there = sum(one.counts), sum(other.counts)
    p = fisher(slow, timed, slow_there, timed_there)
    is_worse = p < chance and _share(slow, timed) > 1 - bounds.quantile
    is_worse = is_worse and slow >= bounds.fewest_faults
    allowed = f"{slow} above {_ms(limit)}" if slow else ""
    return Line(
        measure=f"p95 of {pair.kind}",
        canary=_ms(ours),
        monolith=_ms(theirs),
        canary_count=timed,
        monolith_count=timed_there,
        p=p,
        verdict=_verdict(is_worse, one, other, bounds, rare),
        note="; ".join(filter(None, (allowed, note))),
    )


def _beyond_limit(
    one: Side, other: Side, p95: float | None, bounds: Bounds
) -> tuple[int, int, float]:
    """How many of each took longer than is tolerated, and what that is: a bound of the buckets."""
    if p95 is None or one.bounds != other.bounds:
        return 0, 0, inf
    tolerated = max(p95 * bounds.times_slower, p95 + bounds.seconds_slower)
    limit = next((bound for bound in other.bounds if bound >= tolerated), inf)
    return beyond(limit, one.bounds, one.counts), beyond(limit, other.bounds, other.counts), limit


def _verdict(is_worse: bool, one: Side, other: Side, bounds: Bounds, rare: bool) -> Verdict:
    can_fail = one.done >= bounds.fewest_canary and other.done >= bounds.fewest_monolith
    if is_worse and can_fail:
        return Verdict.FAIL
    if min(one.done, other.done) >= bounds.enough:
        return Verdict.PASS
    return Verdict.NOTHING if rare else Verdict.INCONCLUSIVE


def _of_differences(found: Compared | None, bounds: Bounds) -> Line:
    """They are of instances with their own database, by whom nobody is served yet: they stand in
    the way of more, and taking the share back would mend nothing. So they never fail.
    """
    compared, different = (found.compared, found.different) if found else (0, 0)
    return Line(
        measure=DIFFERENCES,
        canary=_percent(different, compared),
        monolith="",
        canary_count=compared,
        monolith_count=compared,
        p=binomial(different, compared, bounds.more_differences) if compared else None,
        verdict=_verdict_of_differences(compared, different, bounds),
        note=f"{different} to be looked at" if different else "",
    )


def _verdict_of_differences(compared: int, different: int, bounds: Bounds) -> Verdict:
    if compared >= bounds.enough and different <= compared * bounds.more_differences:
        return Verdict.PASS
    return Verdict.INCONCLUSIVE if different else Verdict.NOTHING


def _of_trouble(trouble: str) -> Line:
    return Line(
        measure="numbers",
        canary="",
        monolith="",
        canary_count=0,
        monolith_count=0,
        p=None,
        verdict=Verdict.INCONCLUSIVE,
        note=trouble,
    )


def _said(line: Line) -> str:
    if not line.canary and not line.monolith:
        return line.note
    against = f" against {line.monolith} of {line.monolith_count}" if line.monolith else ""
    certain = "" if line.p is None else f", p = {line.p:.2g}"
    note = f" ({line.note})" if line.note else ""
    return f"{line.canary} of {line.canary_count}{against}{certain}{note}"


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None or seconds == inf else f"{seconds * 1000:.1f} ms"
