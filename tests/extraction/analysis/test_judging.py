"""What is said of two sides' counts, and what is not."""

from __future__ import annotations

import random

import pytest

from modules.extraction.analysis.bounds import Bounds, looks
from modules.extraction.analysis.judging import Compared, Judgement, Verdict, judged
from modules.extraction.analysis.readings import (
    CALLS,
    REQUESTS,
    Counted,
    Pair,
    Side,
    added,
    key,
    pairs,
)

BOUNDS = (0.01, 0.1, 1.0)
PASS, FAIL, OPEN, NOTHING = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.NOTHING


def side(done: int, failed: int = 0, slow: int = 0) -> Side:
    """So many, most of them within 10 ms, ``slow`` ones within a second."""
    return Side(done=done, failed=failed, bounds=BOUNDS, counts=(done - slow, 0, slow, 0))


def of(canary: Side, monolith: Side, *, kind: str = REQUESTS, count: int = 1) -> Judgement:
    pair = Pair(kind=kind, canary=canary, monolith=monolith)
    return judged("payment", (pair,), looks=count)


def said(judgement: Judgement) -> dict[str, Verdict]:
    return {one.measure: one.verdict for one in judgement.lines}


@pytest.mark.parametrize(
    ("canary", "monolith", "verdict"),
    [
        (side(1000), side(10_000), PASS),
        (side(100), side(100), PASS),
        (side(99), side(10_000), OPEN),  # too few to call it good
        (side(10_000), side(99), OPEN),  # nothing to compare with
        (side(0), side(0), OPEN),
        (side(5, failed=5), side(95), FAIL),  # few, and certain
        (side(4, failed=4), side(96), OPEN),  # too few for anything
        (side(5, failed=5), side(19), OPEN),
        (side(1000, failed=100), side(10_000, failed=1000), PASS),  # both are ill alike
        (side(1000, failed=100), side(10_000, failed=500), FAIL),
        (side(200_000, failed=1200), side(2_000_000, failed=10_000), PASS),  # certain, and trifling
        (side(1000, failed=2), side(1000), PASS),  # chance
    ],
)
def test_errors(canary: Side, monolith: Side, verdict: Verdict) -> None:
    """Worse by more than is tolerated, and more surely than by chance."""
    judgement = of(canary, monolith)
    assert said(judgement)["errors of requests"] is verdict
    assert judgement.verdict is verdict


@pytest.mark.parametrize(
    ("canary", "monolith", "verdict"),
    [
        (side(1000, slow=200), side(10_000, slow=100), FAIL),
        (side(1000, slow=200), side(10_000, slow=2000), PASS),  # both are slow alike
        (side(1000, slow=45), side(10_000, slow=45), PASS),  # its p95 is not beyond the limit
        (side(20, slow=10), side(400, slow=1), FAIL),
        (side(50, slow=4), side(400, slow=10), OPEN),  # it may be chance
    ],
)
def test_p95(canary: Side, monolith: Side, verdict: Verdict) -> None:
    """Beyond what the monolith's p95 allows, and more surely than by chance."""
    assert said(of(canary, monolith))["p95 of requests"] is verdict


def test_numbers_of_both_sides_stand_in_the_reason() -> None:
    """On one line, with how many and how sure."""
    why = of(side(40, failed=12), side(300)).why
    assert "errors of requests: 30.00 % of 40 against 0.00 % of 300, p = " in why


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (None, NOTHING),
        (Compared(compared=0, different=0), NOTHING),
        (Compared(compared=50, different=0), NOTHING),
        (Compared(compared=50, different=1), OPEN),
        (Compared(compared=5000, different=0), PASS),
        (Compared(compared=5000, different=60), OPEN),
        (Compared(compared=20, different=20), OPEN),
    ],
)
def test_differences(found: Compared | None, verdict: Verdict) -> None:
    """None are measured, few, or more than is tolerated. Nobody is served by whoever differs, so
    they pause, and send nothing back.
    """
    good = Pair(kind=REQUESTS, canary=side(1000), monolith=side(1000))
    judgement = judged("payment", (good,), found)
    assert said(judgement)["differences"] is verdict
    assert judgement.verdict is (PASS if verdict is NOTHING else verdict)


def test_work_that_is_rare_is_not_waited_for() -> None:
    """Five requests beside thousands of calls; but it may fail all the same."""
    calls = Pair(kind=CALLS, canary=side(1000), monolith=side(1000))
    few = Pair(kind=REQUESTS, canary=side(5), monolith=side(40))
    ill = Pair(kind=REQUESTS, canary=side(5, failed=5), monolith=side(40))
    assert judged("payment", (calls, few)).verdict is PASS
    assert judged("payment", (calls, ill)).verdict is FAIL
    # Work that does not reach the service at all is no rare one.
    lost = Pair(kind=REQUESTS, canary=side(0), monolith=side(1000))
    assert judged("payment", (calls, lost)).verdict is OPEN


def test_source_that_is_away_leaves_it_open() -> None:
    """What is not known is not good."""
    good = Pair(kind=REQUESTS, canary=side(1000), monolith=side(1000))
    judgement = judged("payment", (good,), troubles=("the door is shut",))
    assert judgement.verdict is OPEN
    assert judgement.why == "numbers: the door is shut"


def test_sound_canary_is_hardly_ever_sent_back() -> None:
    """Looked at every second, over growing counts: within the chance that was set for the hold."""
    chance = Bounds().chance
    rng, alarms, holds, count = random.Random(1), 0, 150, looks(30)
    for _ in range(holds):
        one = other = ill_one = ill_other = 0
        for _ in range(count):
            one, other = one + 5, other + 50
            ill_one += sum(rng.random() < 0.05 for _ in range(5))
            ill_other += sum(rng.random() < 0.05 for _ in range(50))
            if of(side(one, ill_one), side(other, ill_other), count=count).verdict is FAIL:
                alarms += 1
                break
    assert alarms <= holds * chance * 3


def test_more_looks_want_more_certainty() -> None:
    """The same numbers are enough for one look, and not for a hundred."""
    canary, monolith = side(100, failed=8), side(1000, failed=20)
    assert of(canary, monolith).verdict is FAIL
    assert of(canary, monolith, count=100).verdict is PASS


def test_readings_are_subtracted_by_source() -> None:
    """One that began anew counts from nothing, one that is new counts from its next reading."""
    done, failed = key(REQUESTS, "canary", "done"), key(REQUESTS, "canary", "failed")
    took = {key(REQUESTS, "canary", "took", bound): n for bound, n in (("0.01", 4), ("+Inf", 6))}
    before = Counted(sources={"a": {done: 10, failed: 1}, "b": {done: 100}})
    now = Counted(sources={"a": {done: 14, failed: 2, **took}, "b": {done: 7}, "c": {done: 50}})
    [requests, calls] = pairs(added(before, now))
    assert requests.canary == Side(done=11, failed=1, bounds=(0.01,), counts=(4, 2))
    assert requests.monolith == calls.canary == Side()
