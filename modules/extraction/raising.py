"""``canary --auto``: the share grows step by step while the analysis holds, or goes back by itself.

Each raise, each analysis and the way back is a step of its own on record. Between two raises
nobody is locked out: who takes the share back by hand ends this, and is not overruled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from modules.extraction import standings
from modules.extraction.analysis.bounds import DEFAULT, EVERY, HOLD, STEPS, Bounds
from modules.extraction.analysis.judgement import Judgement, Verdict, judge, read
from modules.extraction.analysis.noting import note
from modules.extraction.analysis.rendering import judgement_table
from modules.extraction.canarying import canary
from modules.extraction.guards import Guard, hints
from modules.extraction.phases import Phase, Transition
from modules.extraction.rendering import guard_table
from modules.extraction.reports import Report
from modules.extraction.steps import LONGEST_REASON, Ask
from modules.extraction.swapping import rollback
from modules.platform.console import Exit
from modules.platform.databases import begin_anew
from modules.platform.placement.buckets import BUCKETS
from modules.platform.placement.errors import PercentOutOfRange
from modules.platform.resilience import Deadline

BY_HAND: Final = 130  # as a shell says it of what Ctrl-C has ended


class Ending(StrEnum):
    """How it ended."""

    REACHED = "reached"  # the last share holds
    PAUSED = "paused"  # too little to say anything; the share stays
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"  # a guard; the share stays
    TAKEN = "taken"  # somebody else has placed it
    STOPPED = "stopped"  # by hand; the share stays


EXITS: Final = {
    Ending.REACHED: int(Exit.DONE),
    Ending.PAUSED: int(Exit.DIFFERENCES),
    Ending.ROLLED_BACK: int(Exit.FAILED),
    Ending.REFUSED: int(Exit.FAILED),
    Ending.TAKEN: int(Exit.FAILED),
    Ending.STOPPED: BY_HAND,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One share, for how long, and what was said of it at the end."""

    percent: int
    seconds: float
    judgement: Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """``percent`` is the share that stands now; ``back_seconds`` how long the way back took."""

    module: str
    ending: Ending
    percent: int
    steps: tuple[Held, ...] = ()
    guards: tuple[Guard, ...] = ()
    why: str = ""
    back_seconds: float | None = None
    next_step: str = ""

    @property
    def exit_code(self) -> int:
        return EXITS[self.ending]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What somebody who watches is told, every second."""

    percent: int
    remaining: float  # seconds of this share
    judgement: Judgement


def unseen(look: Look) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to raise: shares in percent, growing; seconds for each; whom to ask for calls.

    While too few have come to say anything, a share is held for ``longest`` seconds, if that is
    more than ``hold``.
    """

    steps: tuple[int, ...] = STEPS
    hold: float = HOLD
    longest: float = 0.0
    every: float = EVERY
    metrics: str = ""
    bounds: Bounds = DEFAULT
    tell: Callable[[Look], None] = unseen

    def check(self) -> None:
        """Raises PercentOutOfRange for shares that are none, or do not grow."""
        before = 0
        for one in self.steps:
            if not before < one <= BUCKETS:
                raise PercentOutOfRange(percent=one)
            before = one

    def left(self, percent: int) -> tuple[int, ...]:
        """The shares to go, from the one that stands; from the first one if that is larger."""
        if percent < self.steps[0]:
            return self.steps
        return (percent, *(one for one in self.steps if one > percent))


def raise_shares(ask: Ask, plan: Plan) -> Raised | Report:
    """Raise until the last share holds. Begins with the share that stands, and holds that again.

    Raises what ``canary`` raises, and OutOfTime; the share that was reached stays.
    """
    ask.check()
    plan.check()
    standing = standings.standing_of(ask.module)
    standings.after(ask.module, standing, Transition.CANARY, percent=plan.steps[0])
    if ask.dry_run:
        return canary(ask, percent=plan.left(standing.percent)[0])
    return _Raising(ask, plan).run(plan.left(standing.percent))


class _Raising:
    def __init__(self, ask: Ask, plan: Plan) -> None:
        self._ask, self._plan, self._module = ask, plan, ask.module
        self._deadline = ask.deadline()
        self._held: list[Held] = []

    def run(self, shares: tuple[int, ...]) -> Raised:
        try:
            for percent in shares:
                ended = self._one(percent)
                if ended is not None:
                    return ended
        except KeyboardInterrupt:
            begin_anew()
            why = f"stopped by hand at {self._percent()} %"
            self._halt(why)
            return self._ended(Ending.STOPPED, why=why)
        return self._ended(Ending.REACHED)

    def _one(self, percent: int) -> Raised | None:
        if self._percent() != percent or standings.standing_of(self._module).halted:
            report = canary(self._ask, percent=percent)
            if report.exit_code:
                return self._ended(Ending.REFUSED, guards=report.guards, why="a guard")
        began = time.monotonic()
        judgement = self._watched(percent)
        if judgement is None:
            return self._ended(Ending.TAKEN, why=f"{percent} % was changed by somebody else")
        self._held.append(
            Held(percent=percent, seconds=round(time.monotonic() - began, 1), judgement=judgement)
        )
        note(judgement, reason=self._ask.reason, percent=percent)
        match judgement.verdict:
            case Verdict.PASS:
                return None
            case Verdict.FAIL:
                return self._back(judgement)
        self._halt(judgement.why)
        return self._ended(Ending.PAUSED, why=judgement.why)

    def _watched(self, percent: int) -> Judgement | None:
        """The last judgement of this share; the first that fails ends it. None: it was taken."""
        plan, since = self._plan, read(self._module, self._plan.metrics).at
        until, latest = Deadline.within(plan.hold), Deadline.within(max(plan.hold, plan.longest))
        while True:
            time.sleep((latest if until.passed() else until).cap(plan.every))
            if self._percent() != percent:
                return None
            judgement = self._judged(since)
            is_open = judgement.verdict is Verdict.INCONCLUSIVE
            left = (latest if is_open else until).remaining()
            plan.tell(Look(percent=percent, remaining=left, judgement=judgement))
            if judgement.verdict is Verdict.FAIL or not left:
                return judgement
            self._ask.in_time(self._deadline, "canary", f"{percent} % stays")

    def _judged(self, since: datetime) -> Judgement:
        read(self._module, self._plan.metrics)
        plan = self._plan
        hold = max(plan.hold, plan.longest)
        return judge(self._module, since, hold=hold, every=plan.every, bounds=plan.bounds)

    def _percent(self) -> int:
        standing = standings.standing_of(self._module)
        return standing.percent if standing.phase is Phase.CANARY else 0

    def _back(self, judgement: Judgement) -> Raised:
        began = time.monotonic()
        reason = f"{self._ask.reason.strip()}; the analysis failed: {judgement.why}"
        report = rollback(replace(self._ask, reason=reason[:LONGEST_REASON]))
        return self._ended(
            Ending.ROLLED_BACK if not report.exit_code else Ending.REFUSED,
            guards=() if not report.exit_code else report.guards,
            why=judgement.why,
            back_seconds=round(time.monotonic() - began, 3),
        )

    def _halt(self, why: str) -> None:
        standings.halt(self._module, self._percent(), why)

    def _ended(self, ending: Ending, **more: Any) -> Raised:
        return Raised(
            module=self._module,
            ending=ending,
            percent=self._percent(),
            steps=tuple(self._held),
            next_step=_next(self._module, ending),
            **more,
        )


def raised_text(report: Raised) -> RenderableType:
    """The shares with what was said of each, and how it ended."""
    parts: list[RenderableType] = [
        judgement_table(one.judgement, f"{one.percent} % for {one.seconds:g} s")
        for one in report.steps
    ]
    if report.guards:
        parts.append(guard_table(report.guards))
    lines = [f"{report.module}: canary {report.ending}, {report.percent} % is the service's"]
    if report.why:
        lines.append(f"  - {report.why}")
    lines += [f"  - {line}" for line in hints(report.guards)]
    if report.back_seconds is not None:
        lines.append(f"  - back in the monolith within {report.back_seconds:.2f} s")
    lines.append(f"Next: {report.next_step}")
    return Group(*parts, Text("\n".join(lines)))


def _next(module: str, ending: Ending) -> str:
    match ending:
        case Ending.REACHED:
            return f"manage.py strangler cutover {module} --dry-run"
        case Ending.PAUSED | Ending.STOPPED:
            return f"the same command goes on; rollback {module} takes the share back"
        case _:
            return f"manage.py strangler log {module}"
