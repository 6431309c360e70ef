"""What a run says of the service when it has moved: by requests and by calls, beside what was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modules.extraction.analysis.bounds import Bounds
from modules.extraction.analysis.collecting import collected
from modules.extraction.analysis.judging import Judgement
from modules.extraction.models import Step
from modules.extraction.raising import Plan
from modules.extraction.running.reports import Ended, Outcome, Ran
from modules.extraction.running.running import Course, run
from modules.extraction.running.scene import Scene
from modules.extraction.running.stages import Stage
from modules.extraction.steps import Ask
from tests.extraction.analysis.shoppers import shoppers
from tests.extraction.commands import done, own_instance, pay, told
from tests.extraction.running.callers import Office, office
from tests.platform.discovery.serving import RegistryServer
from tests.platform.placement.doorway import doorway
from tests.proxy.front import FrontDoor
from tests.proxy.origin import Got, ok
from tests.proxy.origin import Step as Answering

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(240),
]
ENOUGH = 120  # of the monolith's, before it moves
# On a busy machine all take longer than a moment ago: a sound service must not be called slow.
ROOM = Bounds(seconds_slower=0.1)
SLOW = 0.4  # seconds; beyond the bucket that this allows


class Service:
    """Answers as the monolith does until it falls ill."""

    ill: tuple[Answering, ...] = ()

    def __call__(self, request: Got) -> bytes | tuple[Answering, ...]:
        return self.ill or ok(b"monolith")

    @contextmanager
    def falls_ill(self, *answer: Answering) -> Iterator[None]:
        self.ill = answer
        try:
            yield
        finally:
            self.ill = ()


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def door(place: None, tmp_path: Path, service: Service) -> Iterator[FrontDoor]:
    """In front of a monolith and a service, whose instances are those of a registry."""
    server = RegistryServer()
    server.start()
    at = {"url": f"{server.url}/instances?module=payment", "role": "origin", "refresh_seconds": 0.1}
    try:
        with doorway(tmp_path, registry=at, respond=service) as running:
            own_instance(running)
            yield running
    finally:
        server.stop()


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Office]:
    with office(tmp_path / "host") as running:
        yield running


def test_service_is_judged_after_the_cutover(
    door: FrontDoor, service: Service, calls: Office
) -> None:
    """It passes while it does as the monolith did; it fails by what it answers, by how long that
    takes, and by calls that find nobody; with nobody there it is left open.
    """
    pay(3)
    _sound_one_passes(door, calls)
    _quiet_one_is_left_open()
    with shoppers(door), service.falls_ill(ok(b"", status="500 Broken")):
        _fails(calls, "errors of requests")
    with shoppers(door), service.falls_ill(SLOW, ok(b"late")):
        _fails(calls, "p95 of requests")
    calls.is_gone = True
    with calls.callers():
        _fails(calls, "errors of calls")
    _one_that_is_taken_back_is_not_judged()


def _sound_one_passes(door: FrontDoor, calls: Office) -> None:
    """Stopped before the cutover and gone on: what the monolith did stands in the readings."""
    _goes_well(calls, to=Stage.VERIFY)
    with shoppers(door), calls.callers():
        _much_is_done_here(calls)
    _goes_well(calls, to=Stage.CUTOVER)
    with shoppers(door), calls.callers():
        report = _ran(calls, watch=1.0)
    [last] = report.stages
    assert (last.stage, last.outcome, report.exit_code) == (Stage.WATCH, Outcome.DONE, 0), report
    lines = {one["measure"]: one for one in _lines(last)}
    assert list(lines) == [
        *("errors of requests", "p95 of requests", "errors of calls", "p95 of calls")
    ]
    for one in lines.values():
        assert one["verdict"] == "pass", one
        assert min(one["canary_count"], one["monolith_count"]) >= 100
        assert "the monolith's " in one["note"]
    assert "strangler watch payment" in report.next_step
    _is_on_record("done", "after the cutover: pass: ")


def _goes_well(calls: Office, *, to: Stage) -> None:
    report = _ran(calls, to=to)
    assert report.exit_code == 0, report.stages[-1]


def _much_is_done_here(calls: Office) -> None:
    """Who moves before enough was seen of the monolith has nothing to compare with."""
    until, first = time.monotonic() + 30, _done_here(calls)
    while min(now - old for now, old in zip(_done_here(calls), first, strict=True)) < ENOUGH:
        assert time.monotonic() < until
        time.sleep(0.1)


def _done_here(calls: Office) -> tuple[float, ...]:
    sources = collected("payment", calls.metrics).sources.values()
    kinds = ("requests monolith done", "calls monolith done")
    return tuple(sum(one.get(kind, 0) for one in sources) for kind in kinds)


def _quiet_one_is_left_open() -> None:
    """Exit code 0: it has moved, and nobody was there to be served ill."""
    code, report = told("run", "payment", "--auto", "--reason", "INC-42", "--watch", "0.3")
    [last] = report["stages"]
    assert (code, last["outcome"]) == (0, "done")
    assert last["words"].startswith("inconclusive: errors of requests: - of 0 against 0.00 %")
    assert "the same command looks again" in report["next_step"]
    assert "rollback payment" in report["next_step"]
    _is_on_record("stopped", "after the cutover: inconclusive: ")


def _fails(calls: Office, measure: str) -> None:
    """Exit code 3, with the numbers of both, and the way back named; it is not taken."""
    report = _ran(calls, watch=30)
    [last] = report.stages
    assert (report.exit_code, last.outcome) == (3, Outcome.DIFFERENCES), report
    assert f"fail: {measure}: " in last.words
    back = "manage.py strangler rollback payment takes it back with all later writes"
    assert report.next_step == back
    step = _is_on_record("failed", "after the cutover: fail: ")
    [line] = [one for one in step.facts["lines"] if one["measure"] == measure]
    assert (line["verdict"], line["p"] < 0.001) == ("fail", True)
    assert line["monolith_count"] >= 100
    assert not Step.objects.filter(verb="rollback").exists()


def _one_that_is_taken_back_is_not_judged() -> None:
    """Somebody was faster: what is counted from then on is another's."""

    class Taking(Scene):
        def judged(self, judgement: Judgement, words: str) -> None:
            done("rollback")

    before = Step.objects.filter(verb="analysis").count()
    report = run(
        Ask(module="payment", reason="INC-42"),
        Course(watch=30, shares=Plan(every=0.1)),
        Taking("payment", _unsaid),
    )
    assert (report.stages[-1].words, report.exit_code) == (
        "somebody else has moved it meanwhile",
        1,
    )
    assert Step.objects.filter(verb="analysis").count() == before


def _ran(calls: Office, *, to: Stage = Stage.WATCH, watch: float = 0.0) -> Ran:
    """Without mirroring and without a share."""
    course = Course(
        to=to,
        skip=frozenset({Stage.SHADOW, Stage.CANARY}),
        shares=Plan(metrics=calls.metrics, bounds=ROOM, longest=30, every=0.2),
        watch=watch,
    )
    return run(Ask(module="payment", reason="INC-42"), course, Scene("payment", _unsaid))


def _unsaid(line: str) -> None:
    """Nobody reads it."""


def _lines(ended: Ended) -> list[dict[str, Any]]:
    step = Step.objects.filter(verb="analysis").latest("id")
    assert ended.judgement is not None
    assert len(ended.judgement.lines) == len(step.facts["lines"])
    found: list[dict[str, Any]] = step.facts["lines"]
    return found


def _is_on_record(outcome: str, detail: str) -> Step:
    """As a step of its own, the last."""
    step = Step.objects.latest("id")
    assert (step.verb, step.outcome, step.reason) == ("analysis", outcome, "INC-42")
    assert step.detail.startswith(detail)
    return step
