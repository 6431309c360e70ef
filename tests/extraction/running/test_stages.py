"""Where a run begins, and what it goes through."""

from __future__ import annotations

import pytest

from modules.extraction.guards import Guard
from modules.extraction.phases import Phase, Standing
from modules.extraction.reports import Report
from modules.extraction.running.reports import Ended, Outcome, Ran
from modules.extraction.running.stages import LAST_OF, OPTIONAL, Stage, to_go
from modules.extraction.running.waiting import COMING, awaited, with_workers
from modules.platform.placement.errors import NobodyThere
from modules.platform.resilience import Deadline

NONE: frozenset[Stage] = frozenset()


@pytest.mark.parametrize(
    ("phase", "first"),
    [
        (Phase.MONOLITH, Stage.CREATE),
        (Phase.SHADOW, Stage.BACKFILL),
        (Phase.CANARY, Stage.CANARY),
        (Phase.EXTRACTED, Stage.WATCH),
    ],
)
def test_run_goes_on_where_the_module_stands(phase: Phase, first: Stage) -> None:
    """From there to the end, in order."""
    found = to_go(phase, skip=NONE)
    assert found[0] is first
    assert found == tuple(Stage)[tuple(Stage).index(first) :]


def test_retired_module_has_nothing_to_go_through() -> None:
    """Nor one that stands beyond where the run shall stop."""
    assert to_go(Phase.RETIRED, skip=NONE) == ()
    assert to_go(Phase.EXTRACTED, to=Stage.CANARY, skip=NONE) == ()


def test_run_stops_where_it_is_told() -> None:
    """A stage's name, or that of the phase that it leads to."""
    assert to_go(Phase.MONOLITH, to=LAST_OF["verify"], skip=NONE)[-1] is Stage.VERIFY
    assert to_go(Phase.MONOLITH, to=LAST_OF["extracted"], skip=NONE)[-1] is Stage.CUTOVER


def test_what_may_be_left_out_is_left_out() -> None:
    """And the rest is not."""
    found = to_go(Phase.SHADOW, skip=frozenset(OPTIONAL))
    assert found == (Stage.BACKFILL, Stage.VERIFY, Stage.PREFLIGHT, Stage.CUTOVER, Stage.WATCH)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (Outcome.DONE, 0),
        (Outcome.SKIPPED, 0),
        (Outcome.REFUSED, 1),
        (Outcome.FAILED, 1),
        (Outcome.DIFFERENCES, 3),
        (Outcome.PAUSED, 3),
        (Outcome.STOPPED, 130),
    ],
)
def test_exit_code_is_that_of_the_last_stage(last: Outcome, code: int) -> None:
    """Those before it went well."""
    stages = (
        Ended(stage=Stage.CREATE, outcome=Outcome.DONE),
        Ended(stage=Stage.BACKFILL, outcome=last),
    )
    assert Ran(module="payment", stages=stages, phase="shadow").exit_code == code


def report(*guards: Guard) -> Report:
    at = Standing()
    return Report(module="payment", verb="cutover", before=at, after=at, guards=guards)


def guard(name: str, *, passes: bool) -> Guard:
    return Guard(name=name, have="0", need="1 or more", passes=passes)


class Looks:
    """Reports, one after the other; the last one stays."""

    def __init__(self, *reports: Report) -> None:
        self._reports, self.count = list(reports), 0

    def __call__(self) -> Report:
        self.count += 1
        return self._reports.pop(0) if len(self._reports) > 1 else self._reports[0]


COMES = sorted(COMING)[0]


def test_guard_that_comes_true_is_waited_for() -> None:
    """It is said once what is awaited."""
    no, yes = report(guard(COMES, passes=False)), report(guard(COMES, passes=True))
    look, said = Looks(no, no, yes), list[str]()
    assert awaited(look, until=Deadline.within(60), say=said.append) is yes
    assert said == [f"waits for {COMES} (0 of 1 or more)"]


def test_guard_that_needs_a_person_is_not_waited_for() -> None:
    """Also beside one that would come."""
    no = report(guard(COMES, passes=False), guard("structure", passes=False))
    look, said = Looks(no), list[str]()
    assert awaited(look, until=Deadline.within(60), say=said.append) is no
    assert (look.count, said) == (1, [])


def test_waiting_ends() -> None:
    """With the last table."""
    no = report(guard(COMES, passes=False))
    assert awaited(Looks(no), until=Deadline.within(0.01), say=lambda words: None) is no


def test_workers_are_waited_for() -> None:
    """Until they are there, or the time is up."""
    tries, said = list[int](), list[str]()

    def act() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise NobodyThere(module="payment", others=0)
        return "placed"

    assert with_workers(act, until=Deadline.within(60), say=said.append) == "placed"
    assert (len(tries), len(said)) == (3, 1)
    tries.clear()
    with pytest.raises(NobodyThere):
        with_workers(act, until=Deadline.within(0), say=said.append)
