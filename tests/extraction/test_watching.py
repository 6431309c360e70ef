"""What a watch does beside carrying: it mends what the dead left, and says when it cannot carry."""

from __future__ import annotations

import logging
import threading
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError

from modules.extraction import mending
from modules.extraction.again import Again, Work
from modules.extraction.auditing import recorded
from modules.extraction.controlling import controlling
from modules.extraction.following import Carrier
from modules.extraction.mending import mend
from modules.extraction.models import Step
from modules.extraction.phases import Phase, Standing
from modules.extraction.protocol import NotInstalled
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def begun() -> Step:
    """A step whose controller does not live to end it."""
    with recorded("payment", "cutover", reason="a test") as step:
        row = step.row
    return Step.objects.create(
        module="payment", verb="cutover", reason="a test", actor=row.actor, facts={}
    )


def test_a_step_that_nobody_ends_is_ended(place: None) -> None:
    """Its controller is gone: the record says so, and who has said it."""
    left = begun()
    mend("payment")
    left.refresh_from_db()
    assert left.ended_at is not None
    assert Step.objects.filter(module="payment", verb="doctor").count() == 1
    mend("payment")
    assert Step.objects.filter(module="payment", verb="doctor").count() == 1


def test_a_step_whose_controller_lives_is_left_alone(place: None) -> None:
    """It takes as long as it takes."""
    with controlling("payment", "cutover"):
        left = begun()
        mend("payment")
        left.refresh_from_db()
        assert left.ended_at is None
    mend("payment")  # for the tests that come after


def test_a_stream_that_fails_ends_the_watch() -> None:
    """It must not say that changes are carried when none are."""
    carrier = Carrier(None)  # type: ignore[arg-type]
    standing = Standing(phase=Phase.SHADOW)
    carrier.follow(standing)

    def has_failed() -> bool:
        try:
            carrier.follow(standing)
        except AttributeError:
            return True
        return False

    eventually(has_failed, within=10, what="the failure")
    carrier.close()


class Clock:
    """Seconds that pass when the test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_that_ends_by_itself_is_begun_again_less_and_less_often() -> None:
    """At once, then after 1, 2, 4 seconds..., and not before what it needs is there."""
    clock, begun, is_there = Clock(), list[float](), [True]
    work = Again(
        Work(
            name="w",
            run=lambda stop: begun.append(clock.now),
            is_possible=lambda: is_there[0],
        ),
        clock=clock,
    )

    def look() -> None:
        work._thread.join()
        work.keep()
        work._thread.join()

    for _ in range(80):
        look()
        clock.now += 0.1
    assert [round(one) for one in begun] == [0, 0, 1, 3, 7]
    is_there[0] = False
    for _ in range(1000):
        look()
        clock.now += 0.1
    assert len(begun) == 5
    work.close()


def test_work_that_has_lived_long_is_begun_again_at_once() -> None:
    """What it met at its beginning is forgotten."""
    clock, begun, end = Clock(), list[float](), threading.Event()

    def run(stop: threading.Event) -> None:
        begun.append(clock.now)
        if len(begun) > 3:
            end.wait()

    work = Again(Work(name="w", run=run), clock=clock)
    for _ in range(40):
        work._thread.join(0.01)
        work.keep()
        clock.now += 1.0
    assert len(begun) == 4
    end.set()
    work._thread.join()
    work.keep()
    work._thread.join()
    assert begun[4:] == [clock.now]
    work.close()


@pytest.mark.parametrize(
    "trouble",
    [
        psycopg.OperationalError("connection refused"),
        IntegrityError("there is a receipt of that epoch"),
        NotInstalled("payment", "service"),
    ],
)
def test_what_watches_in_vain_says_so_once(
    place: None, monkeypatch: Any, caplog: pytest.LogCaptureFixture, trouble: Exception
) -> None:
    """A side that is away for an hour is one line of the log, not seven thousand; it goes on."""
    begun()

    def away(ask: Any) -> None:
        raise trouble

    monkeypatch.setattr(mending, "doctor", away)
    mender = mending.Mender("payment")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            mender.turn()
    assert sum("extraction.not_mended" in one.getMessage() for one in caplog.records) == 1
