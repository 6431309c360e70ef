"""The last watch: whether the service does as well on its own as the monolith did before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from modules.extraction.analysis.bounds import Bounds
from modules.extraction.analysis.judgement import Judgement, Verdict, judge_moved, read
from modules.extraction.analysis.noting import note
from modules.extraction.phases import SERVICE_OWNS
from modules.extraction.raising import Plan
from modules.extraction.standings import standing_of
from modules.platform.placement.buckets import BUCKETS
from modules.platform.resilience import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """Seconds to look, how, and whom to tell. ``plan`` is that of the canary: its bounds, its
    source of calls, and for how long to wait for enough to say something.
    """

    seconds: float
    plan: Plan
    reason: str
    sleep: Callable[[float], None]
    tell: Callable[[Judgement, str], None]


def watched(module: str, watching: Watching) -> Judgement | None:
    """The verdict, on record; the first look that fails ends it. None: it was taken back meanwhile.

    While it is inconclusive, and more of the service's work would end that, it goes on, for
    ``plan.longest`` seconds in all.
    """
    judgement = _last_look(module, watching)
    if judgement is not None:
        note(judgement, reason=watching.reason, percent=BUCKETS, of="after the cutover")
    return judgement


def _last_look(module: str, watching: Watching) -> Judgement | None:
    plan, hold = watching.plan, max(watching.seconds, watching.plan.longest)
    since = read(module, plan.metrics).at
    until, latest = Deadline.within(watching.seconds), Deadline.within(hold)
    while True:
        watching.sleep((latest if until.passed() else until).cap(plan.every))
        read(module, plan.metrics)
        if standing_of(module).phase not in SERVICE_OWNS:
            return None
        judgement = judge_moved(module, since, hold=hold, every=plan.every, bounds=plan.bounds)
        left = (latest if may_come(judgement, plan.bounds) else until).remaining()
        watching.tell(judgement, f"{left:.0f} s left")
        if judgement.verdict is Verdict.FAIL or not left:
            return judgement


def may_come(judgement: Judgement, bounds: Bounds) -> bool:
    """Whether a verdict is worth waiting for: not where the monolith had too little to do before,
    of which there will be no more.
    """
    open_ones = [one for one in judgement.lines if one.verdict is Verdict.INCONCLUSIVE]
    is_lost = any(one.monolith and one.monolith_count < bounds.enough for one in open_ones)
    return judgement.verdict is Verdict.INCONCLUSIVE and not is_lost
