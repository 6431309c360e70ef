"""What is said of a service on its own, of readings from before the cutover and after it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from modules.extraction import standings
from modules.extraction.analysis.judgement import (
    NOTHING_BEFORE,
    Judgement,
    Verdict,
    judge,
    judge_moved,
)
from modules.extraction.analysis.models import Reading
from modules.extraction.analysis.readings import Counted

pytestmark = pytest.mark.django_db
SERVICE, HOME = "requests canary", "requests monolith"
HOST = "a host"


class Clock:
    """Readings of so many minutes from the cutover on; what is given is what was added since."""

    def __init__(self) -> None:
        self.cutover = standings.now() - timedelta(hours=3)
        self._stands: dict[str, float] = {}

    def at(self, minutes: float) -> datetime:
        return self.cutover + timedelta(minutes=minutes)

    def reads(
        self, minutes: float, *, percent: int, troubles: tuple[str, ...] = (), **did: Any
    ) -> None:
        """``service=(done, failed, slow)``, ``monolith=`` likewise."""
        for side, (done, failed, slow) in did.items():
            prefix = SERVICE if side == "service" else HOME
            more = {"done": done, "failed": failed, "took 0.01": done - slow}
            more |= {"took 0.1": done - slow, "took 1.0": done, "took +Inf": done}
            for what, count in more.items():
                name = f"{prefix} {what}"
                self._stands[name] = self._stands.get(name, 0) + count
        body = msgspec.to_builtins(Counted(sources={HOST: dict(self._stands)}, troubles=troubles))
        row = Reading.objects.create(module="payment", percent=percent, body=body)
        Reading.objects.filter(pk=row.pk).update(at=self.at(minutes))

    def says(self) -> Judgement:
        return judge_moved("payment", self.cutover)


@pytest.fixture
def clock() -> Clock:
    """The monolith has done a thousand requests in the 30 minutes before, 20 of them ill."""
    clock = Clock()
    clock.reads(-31, percent=0, monolith=(0, 0, 0), service=(0, 0, 0))
    clock.reads(-1, percent=50, monolith=(1000, 20, 0))
    clock.reads(0.1, percent=100)
    return clock


def verdicts(judgement: Judgement) -> dict[str, Verdict]:
    return {one.measure: one.verdict for one in judgement.lines if one.canary_count}


def test_service_that_does_as_the_monolith_did_passes(clock: Clock) -> None:
    """With the numbers of both, and which minutes the other's are of."""
    clock.reads(1, percent=100, service=(500, 10, 0))
    said = clock.says()
    assert said.verdict is Verdict.PASS
    assert verdicts(said) == {"errors of requests": "pass", "p95 of requests": "pass"}
    one = said.lines[0]
    assert (one.canary, one.canary_count, one.monolith, one.monolith_count) == (
        *("2.00 %", 500, "2.00 %", 1000),
    )
    assert one.note == f"the monolith's 1800 s until {clock.at(-1):%H:%M:%S} UTC"
    assert said.sides == ("service", "monolith before")


@pytest.mark.parametrize(
    ("did", "measure"),
    [((500, 60, 0), "errors of requests"), ((500, 10, 100), "p95 of requests")],
)
def test_service_that_does_worse_fails(
    clock: Clock, did: tuple[int, int, int], measure: str
) -> None:
    """By durations, too: though the minutes are others, callers wait for longer than before."""
    clock.reads(1, percent=100, service=did)
    said = clock.says()
    assert said.verdict is Verdict.FAIL
    assert [name for name, one in verdicts(said).items() if one is Verdict.FAIL] == [measure]


def test_canary_at_100_percent_is_not_sent_back_for_its_durations(clock: Clock) -> None:
    """A machine that is busier now is no fault of it; who has moved is not sent back at all."""
    clock.reads(1, percent=100, service=(500, 10, 100))
    assert verdicts(judge("payment", clock.cutover))["p95 of requests"] is Verdict.NOTHING
    assert judge("payment", clock.cutover).lines[0].note == "the monolith's minutes until 50 %"


@pytest.mark.parametrize("did", [(0, 0, 0), (99, 0, 0), (4, 4, 0)])
def test_too_few_leave_it_open(clock: Clock, did: tuple[int, int, int]) -> None:
    """Neither good nor bad."""
    clock.reads(1, percent=100, service=did)
    assert clock.says().verdict is Verdict.INCONCLUSIVE


def test_what_the_monolith_does_afterwards_is_no_measure(clock: Clock) -> None:
    """A front door that is late still sends to it, and it refuses."""
    clock.reads(1, percent=100, service=(500, 60, 0), monolith=(500, 500, 0))
    assert clock.says().verdict is Verdict.FAIL


def test_hour_before_the_cutover_counts() -> None:
    """What was worse long before it excuses nothing."""
    clock = Clock()
    clock.reads(-90, percent=0, monolith=(0, 0, 0), service=(0, 0, 0))
    clock.reads(-50, percent=0, monolith=(1000, 1000, 0))
    clock.reads(-1, percent=0, monolith=(1000, 0, 0))
    clock.reads(0.1, percent=100)
    clock.reads(1, percent=100, service=(500, 60, 0))
    said = clock.says()
    assert (said.verdict, said.lines[0].monolith_count) == (Verdict.FAIL, 1000)


def test_without_numbers_from_before_it_is_open() -> None:
    """And it says so, whatever the service does: also what the monolith did since is none."""
    clock = Clock()
    assert clock.says().verdict is Verdict.INCONCLUSIVE
    clock.reads(0.1, percent=100, service=(0, 0, 0), monolith=(0, 0, 0))
    clock.reads(1, percent=100, service=(500, 500, 0), monolith=(500, 0, 0))
    said = clock.says()
    assert said.verdict is Verdict.INCONCLUSIVE
    assert NOTHING_BEFORE in said.why


def test_source_that_is_away_leaves_it_open(clock: Clock) -> None:
    """What is not known is not good."""
    clock.reads(1, percent=100, service=(500, 10, 0), troubles=("the door is shut",))
    assert (clock.says().verdict, clock.says().why) == (
        Verdict.INCONCLUSIVE,
        "numbers: the door is shut",
    )
