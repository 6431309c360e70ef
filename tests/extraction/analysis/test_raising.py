"""``strangler canary payment --auto`` at a real front door, with shoppers at it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from modules.extraction import standings
from modules.extraction.analysis.judgement import Verdict, judge, read
from modules.extraction.analysis.models import Reading
from modules.extraction.models import Capability, Step
from modules.extraction.phases import Phase, Standing
from modules.extraction.raising import Ending, Plan, Raised, raise_shares
from modules.extraction.steps import Ask
from modules.platform.discovery import Role, registry
from tests.extraction.analysis.shoppers import shoppers
from tests.extraction.commands import interrupt, strangler, told
from tests.platform.discovery.serving import said
from tests.platform.placement.doorway import doorway
from tests.proxy.front import FrontDoor
from tests.proxy.origin import Got, ok
from tests.proxy.origin import Step as Answering

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.processes,
    pytest.mark.timeout(120),
]
AUTO = ("canary", "payment", "--auto", "--reason", "a test")
# On a busy machine shoppers come more slowly.
HELD = ("--hold", "1.5", "--longest", "30")


class Service:
    """Answers well until it falls ill."""

    def __init__(self) -> None:
        self.ill: list[Answering] | None = None
        self.ill_since = 0.0

    def __call__(self, request: Got) -> bytes | list[Answering]:
        return ok(b"service") if self.ill is None else list(self.ill)

    def fall_ill(self, *answer: Answering) -> None:
        self.ill_since, self.ill = time.monotonic(), list(answer)


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def host(place: None) -> None:
    """The module is in shadow, with an instance on the monolith's data; no front door."""
    registry.register("payment-1", said(role=Role.ORIGIN), issuer="payment", ttl=600)
    standings.put("payment", Standing(phase=Phase.SHADOW), reason="planted")


@pytest.fixture
def door(host: None, tmp_path: Path, service: Service) -> Iterator[FrontDoor]:
    """In front of both."""
    with doorway(tmp_path, respond=service) as running:
        yield running


@contextmanager
def falling_ill(service: Service, *answer: Answering) -> Iterator[None]:
    """Soon after the share stands; and well again."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if service.ill is None and Capability.objects.get(module="payment").percent:
                done.wait(0.3)
                service.fall_ill(*answer)
        connections.close_all()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        service.ill = None


def lines(held: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The lines of a judgement, by what is measured."""
    return {one["measure"]: one for one in held["judgement"]["lines"]}


def test_share_pauses_while_too_few_come_and_grows_when_all_is_well(door: FrontDoor) -> None:
    """Exit code 3, and the standing says why; the same command goes on, to 0."""
    code, report = told(*AUTO, "--steps", "5,25", "--hold", "0.5")
    assert (code, report["ending"], report["percent"]) == (3, "paused", 5)
    shown = told("status", "payment")[1]["modules"][0]
    assert (shown["phase"], shown["percent"]) == ("canary", 5)
    assert "errors of requests" in shown["halted"]
    assert "paused" in strangler("status", "payment")[1]
    with shoppers(door, a_second=400):
        code, report = told(*AUTO, "--steps", "50,100", *HELD)
    assert (code, report["ending"], report["percent"]) == (0, "reached", 100), report
    assert [one["percent"] for one in report["steps"]] == [50, 100]
    for held, p95 in zip(report["steps"], ("pass", "not measured"), strict=True):
        one = lines(held)["errors of requests"]
        assert min(one["canary_count"], one["monolith_count"]) >= 100
        assert (one["verdict"], lines(held)["p95 of requests"]["verdict"]) == ("pass", p95)
        assert lines(held)["errors of calls"]["verdict"] == "not measured"
    assert "until 50 %" in lines(report["steps"][1])["errors of requests"]["note"]
    assert told("status", "payment")[1]["modules"][0]["halted"] == ""
    assert list(Step.objects.order_by("id").values_list("verb", "outcome")) == [
        *(("canary", "done"), ("analysis", "stopped")),
        *(("canary", "done"), ("analysis", "done")),
        *(("canary", "done"), ("analysis", "done")),
    ]


def test_sick_instance_is_left_by_itself(door: FrontDoor, service: Service) -> None:
    """In less than 10 s, exit code 1, on record with the numbers of both sides."""
    with shoppers(door, a_second=250), falling_ill(service, ok(b"", status="500 Broken")):
        code, report = told(*AUTO, "--steps", "50", "--hold", "30")
        ended = time.monotonic()
    assert (code, report["ending"], report["percent"]) == (1, "rolled back", 0)
    assert ended - service.ill_since < 10
    _is_left(door, report["why"], "errors of requests")
    _slow_one_is_left_too(door, service)
    _one_that_is_gone_is_left_though_the_monolith_stands_in(door, service)


def _slow_one_is_left_too(door: FrontDoor, service: Service) -> None:
    with shoppers(door, a_second=250), falling_ill(service, 0.25, ok(b"late")):
        _is_left(door, _raised_quickly(), "p95 of requests")


def _one_that_is_gone_is_left_though_the_monolith_stands_in(
    door: FrontDoor, service: Service
) -> None:
    with shoppers(door, a_second=250), falling_ill(service, "close"):
        _is_left(door, _raised_quickly(), "errors of requests")


def _raised_quickly() -> str:
    """Looked at four times a second; why it is left."""
    plan = Plan(steps=(50,), hold=30, every=0.25)
    raised = raise_shares(Ask(module="payment", reason="a test"), plan)
    assert isinstance(raised, Raised)
    assert raised.ending is Ending.ROLLED_BACK
    return raised.why


def _is_left(door: FrontDoor, why: str, measure: str) -> None:
    assert measure in why
    row = Capability.objects.get(module="payment")
    assert (row.phase, row.percent) == ("shadow", 0)
    assert door.admin("GET", "/-/table").json()["capabilities"]["payment"]["phase"] == "monolith"
    verdict = Step.objects.filter(verb="analysis").latest("id")
    assert verdict.outcome == "failed"
    [line] = [one for one in verdict.facts["lines"] if one["measure"] == measure]
    assert (line["verdict"], line["canary_count"] > 0, line["p"] < 0.001) == ("fail", True, True)
    assert measure in Step.objects.filter(verb="rollback").latest("id").reason


def test_share_taken_back_by_hand_stays_there(host: None) -> None:
    """Whoever does that is let in, and is not overruled."""

    def take() -> None:
        while not Reading.objects.exists():
            time.sleep(0.05)
        assert strangler("rollback", "payment", "--reason", "by hand", "--yes")[0] == 0
        connections.close_all()

    thread = threading.Thread(target=take)
    thread.start()
    code, report = told(*AUTO, "--steps", "5", "--hold", "30")
    thread.join()
    assert (code, report["ending"], report["percent"]) == (1, "taken", 0)
    assert Capability.objects.get(module="payment").phase == "shadow"


def test_stopped_by_hand_leaves_the_share_and_says_so(host: None) -> None:
    """Ctrl-C: exit code 130, the share stands."""

    def stop() -> None:
        while not Reading.objects.exists():
            time.sleep(0.05)
        connections.close_all()
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # of whoever ran before
    thread = threading.Thread(target=stop)
    thread.start()
    try:
        code, report = told(*AUTO, "--steps", "5", "--hold", "30")
    finally:
        thread.join()
        signal.signal(signal.SIGINT, before)
    assert (code, report["ending"], report["percent"]) == (130, "stopped", 5)
    assert "5 %" in Capability.objects.get(module="payment").halted


def test_stopped_between_a_question_and_its_answer(host: None) -> None:
    """The session takes no other question then; what is to be said is said all the same."""
    plan = Plan(steps=(5,), hold=30, every=0.1, tell=lambda look: interrupt())
    raised = raise_shares(Ask(module="payment", reason="a test"), plan)
    assert isinstance(raised, Raised)
    assert (raised.ending, raised.percent) == (Ending.STOPPED, 5)
    assert "5 %" in Capability.objects.get(module="payment").halted


@pytest.mark.parametrize("steps", ["5,5", "25,5", "0,5", "5,101"])
def test_shares_that_do_not_grow_are_a_wrong_question(host: None, steps: str) -> None:
    """Exit code 2, and nothing is placed."""
    assert strangler(*AUTO, "--steps", steps)[0] == 2
    assert strangler("canary", "payment", "--reason", "neither share nor --auto")[0] == 2
    assert not Step.objects.exists()


def test_time_that_is_over_leaves_the_share(host: None) -> None:
    """--timeout is for all of it: exit code 1, with what was reached."""
    code, out, err = strangler(*AUTO, "--hold", "30", "--timeout", "1")
    assert (code, out) == (1, "")
    assert "5 % stays" in err
    assert Capability.objects.get(module="payment").percent == 5


def test_dry_run_looks_only(host: None) -> None:
    """The guards of the first share."""
    code, report = told(*AUTO, "--dry-run")
    assert (code, report["after"]["percent"], report["did"]) == (0, 5, [])
    assert not Reading.objects.exists()


def test_front_door_that_is_away_leaves_it_open(host: None, settings: Any) -> None:
    """Its numbers are missing, and nothing is called good without them."""
    code, report = told(*AUTO, "--steps", "5", "--hold", "0.2", "--longest", "0.7")
    assert code == 3
    assert report["steps"][0]["seconds"] >= 0.7  # too few: held for longer
    settings.PLACEMENT_FRONT_DOORS = ["http://127.0.0.1:9"]
    judgement = judge("payment", read("payment").at)
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "127.0.0.1:9 cannot be told" in judgement.why
