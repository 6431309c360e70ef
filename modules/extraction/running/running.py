"""``run``: from wherever a module stands through all stages, each with its own guards and record.

Every stage is the verb of its name, with the same reason. What fails ends the run where it is:
a verb that fails has changed nothing, and the run goes on there when it is started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import psycopg

from modules.extraction import standings
from modules.extraction.analysis.bounds import EVERY
from modules.extraction.analysis.judgement import read
from modules.extraction.canarying import canary
from modules.extraction.creating import create
from modules.extraction.errors import WrongPhase
from modules.extraction.filling import backfill
from modules.extraction.protocol import ProtocolError
from modules.extraction.raising import Look, Plan, Raised, raise_shares
from modules.extraction.reports import Report
from modules.extraction.routing.doors import DoorAway, front_doors
from modules.extraction.running.beside import Carrying, carrying
from modules.extraction.running.endings import (
    next_step,
    of_canary,
    of_shadow,
    of_watch,
    swap_of,
)
from modules.extraction.running.moved import Watching, watched
from modules.extraction.running.reports import GOES_ON, Ended, Outcome, Ran
from modules.extraction.running.scene import Scene
from modules.extraction.running.stages import Stage, to_go
from modules.extraction.running.waiting import awaited, with_workers
from modules.extraction.shadowing.differences import rate
from modules.extraction.shadowing.switching import shadow
from modules.extraction.shadowing.working import round_of
from modules.extraction.steps import Ask
from modules.extraction.swapping import cutover
from modules.extraction.verifying import verify
from modules.platform.console import CommandFailed
from modules.platform.contracts import ContractError
from modules.platform.databases import begin_anew
from modules.platform.resilience import Deadline

SHADOW: Final = 30.0  # seconds of mirrored reads before anybody is served by the service
WATCH: Final = 30.0  # seconds after the cutover
WAIT: Final = 120.0  # seconds for what comes by itself, as processes that are being started
FAILS = (ContractError, ProtocolError, DoorAway, CommandFailed, TimeoutError, psycopg.Error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How to go through the stages. Times in seconds; ``mirrored`` reads in percent."""

    to: Stage = Stage.WATCH
    skip: frozenset[Stage] = frozenset()
    shares: Plan = field(default_factory=Plan)
    shadow: float = SHADOW
    mirrored: int = 100
    watch: float = WATCH
    wait: float = WAIT


def run(ask: Ask, course: Course, scene: Scene) -> Ran:
    """Go through the stages until one does not end well.

    Raises NoSuchModule, NotExtractable, ReasonMissing, Paused, and WrongPhase where nothing is
    left to go through.
    """
    ask.check()
    course.shares.check()
    standings.check_not_paused(ask.module)
    phase = standings.standing_of(ask.module).phase
    stages = to_go(phase, to=course.to, skip=course.skip)
    if not stages and not to_go(phase, skip=course.skip):
        possible = standings.possible(phase)
        raise WrongPhase(module=ask.module, phase=phase.value, verb="run", possible=possible)
    if ask.dry_run:
        planned = tuple(Ended(stage=one, outcome=Outcome.SKIPPED, words="to go") for one in stages)
        return Ran(module=ask.module, stages=planned, phase=phase.value, dry_run=True)
    scene.begins(stages)
    with carrying(ask.module) as beside:
        return _Run(ask, course, scene, beside).through(stages)


class _Run:
    def __init__(self, ask: Ask, course: Course, scene: Scene, beside: Carrying) -> None:
        self._asked, self._course, self._scene, self._beside = ask, course, scene, beside
        self._module, self._deadline = ask.module, ask.deadline()
        self._ended: list[Ended] = []
        self._does: Mapping[Stage, Callable[[], Ended]] = {
            Stage.CREATE: self._create,
            Stage.BACKFILL: self._backfill,
            Stage.VERIFY: self._verify,
            Stage.SHADOW: self._shadow,
            Stage.CANARY: self._canary,
            Stage.PREFLIGHT: self._preflight,
            Stage.CUTOVER: self._cutover,
            Stage.WATCH: self._watch,
        }

    def through(self, stages: tuple[Stage, ...]) -> Ran:
        for stage in stages:
            self._scene.enters(stage)
            began = time.monotonic()
            ended = replace(self._tried(stage), seconds=round(time.monotonic() - began, 3))
            self._ended.append(ended)
            self._scene.leaves(ended)
            if ended.outcome not in GOES_ON:
                break
            self._beside.begin()
        return self._report()

    def _tried(self, stage: Stage) -> Ended:
        try:
            # What the monolith does until the cutover is what the service is judged beside then.
            read(self._module, self._course.shares.metrics)
            return self._does[stage]()
        except KeyboardInterrupt:
            begin_anew()
            return Ended(stage=stage, outcome=Outcome.STOPPED, words="by hand")
        except FAILS as error:
            words = str(error).strip().partition("\n")[0] or repr(error)
            return Ended(stage=stage, outcome=Outcome.FAILED, words=words)

    def _ask(self) -> Ask:
        """For a stage: within what is left of the time for all of them."""
        left = None if self._asked.timeout is None else max(0.001, self._deadline.remaining())
        return replace(self._asked, timeout=left, progress=self._scene.at)

    def _patience(self) -> Deadline:
        return Deadline.within(min(self._course.wait, self._deadline.remaining()))

    # ------------------------------------------------------------ the stages

    def _create(self) -> Ended:
        return self._told(Stage.CREATE, create(self._ask()))

    def _backfill(self) -> Ended:
        return self._told(Stage.BACKFILL, backfill(self._ask()))

    def _verify(self) -> Ended:
        report = verify(self._ask())
        rows = sum(one.looked_at for one in report.tables)
        words = f"{rows:,} rows in {len(report.tables)} tables, {report.rows_differ} differ"
        outcome = Outcome.DIFFERENCES if report.has_differences else Outcome.DONE
        return Ended(stage=Stage.VERIFY, outcome=outcome, words=words)

    def _shadow(self) -> Ended:
        """Mirror, wait, look at what differs; mirroring goes on for the canary's analysis."""
        with front_doors() as doors:
            if not doors:
                words = "there is no front door that could mirror"
                return Ended(stage=Stage.SHADOW, outcome=Outcome.SKIPPED, words=words)
        percent = self._course.mirrored
        looked = self._awaited(lambda: shadow(replace(self._ask(), dry_run=True), percent=percent))
        if looked.exit_code:
            return self._told(Stage.SHADOW, looked)
        since = standings.now()
        self._told(Stage.SHADOW, shadow(self._ask(), percent=percent))
        self._sleep(self._course.shadow)
        round_of(self._module)  # what is recorded by now counts
        return of_shadow(rate(self._module, since))

    def _canary(self) -> Ended:
        plan = replace(self._course.shares, tell=self._seen)
        percent = plan.left(standings.standing_of(self._module).percent)[0]
        dry = replace(self._ask(), dry_run=True)
        looked = self._awaited(lambda: canary(dry, percent=percent))
        if looked.exit_code:
            return self._told(Stage.CANARY, looked)
        raised = with_workers(
            lambda: raise_shares(self._ask(), plan), until=self._patience(), say=self._scene.say
        )
        assert isinstance(raised, Raised)  # noqa: S101 - a dry run alone gives another
        return of_canary(raised)

    def _preflight(self) -> Ended:
        """All guards of the cutover; a look at every row that is too old is taken again."""
        looked = self._awaited(self._before_cutover)
        if any(one.name == "scrub" and not one.passes for one in looked.guards):
            verified = self._verify()
            if verified.outcome not in GOES_ON:
                return replace(verified, stage=Stage.PREFLIGHT)
            looked = self._awaited(self._before_cutover)
        return self._told(Stage.PREFLIGHT, looked)

    def _before_cutover(self) -> Report:
        return cutover(replace(self._ask(), dry_run=True))

    def _cutover(self) -> Ended:
        return self._told(Stage.CUTOVER, cutover(self._ask()))

    def _watch(self) -> Ended:
        """For a while: the service's requests and calls beside those of the monolith before."""
        watching = Watching(
            seconds=self._course.watch,
            plan=self._course.shares,
            reason=self._asked.reason,
            sleep=self._sleep,
            tell=self._scene.judged,
        )
        return of_watch(watched(self._module, watching))

    # ------------------------------------------------------------ what they share

    def _awaited(self, look: Callable[[], Report]) -> Report:
        def looked() -> Report:
            report = look()
            self._scene.looked_at(report.guards)
            return report

        return awaited(looked, until=self._patience(), say=self._scene.say)

    def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._asked.in_time(self._deadline, "run", "nothing is half done")
            time.sleep(min(left, EVERY))

    def _seen(self, look: Look) -> None:
        words = f"{look.percent} %, {look.remaining:.0f} s left"
        self._scene.judged(look.judgement, words)

    def _told(self, stage: Stage, report: Report) -> Ended:
        """A verb's own report as a stage's end."""
        failed = [f"{one.name}: {one.have}" for one in report.guards if not one.passes]
        for line in report.did:
            self._scene.say(line)
        left = (report.unfinished,) if report.unfinished else report.did[-1:]
        done = Outcome.DIFFERENCES if report.unfinished else Outcome.DONE
        return Ended(
            stage=stage,
            outcome=Outcome.REFUSED if failed else done,
            words="; ".join(failed or left),
            guards=report.guards,
        )

    def _report(self) -> Ran:
        swap = swap_of(self._module) if Stage.CUTOVER in self._done() else {}
        last = self._ended[-1]
        return Ran(
            module=self._module,
            stages=tuple(self._ended),
            phase=standings.standing_of(self._module).phase.value,
            receipt=swap.get("receipt"),
            pause_ms=swap.get("pause_ms"),
            next_step=next_step(self._module, last),
        )

    def _done(self) -> frozenset[Stage]:
        return frozenset(one.stage for one in self._ended if one.outcome is Outcome.DONE)
