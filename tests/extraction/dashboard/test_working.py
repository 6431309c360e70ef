"""The process of a press: done as the operator, on record however it ends, also when killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client

from modules.extraction.controlling import controlling
from modules.extraction.dashboard import presses, working
from modules.extraction.dashboard.buttons import verb_named
from modules.extraction.dashboard.forms import options_of
from modules.extraction.dashboard.looks import Token
from modules.extraction.dashboard.presses import Ended
from modules.extraction.dashboard.records import Press
from modules.extraction.models import Step
from modules.extraction.phases import Phase
from modules.extraction.verbs.verb import Verb
from modules.platform.contracts import Actor, ActorKind
from modules.platform.databases.roles import login
from tests.extraction.commands import interrupt
from tests.extraction.dashboard.pages import part, stands

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("place")]
ADA = Actor(kind=ActorKind.STAFF, id="7", label="ada@shop.test")


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A process of its own sets them; this one has others' tests to run."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def opened(name: str, **chosen: Any) -> int:
    verb = verb_named(name)
    assert verb is not None
    token = Token(module="payment", verb=name, user="7", options=options_of(verb, chosen))
    return presses.opened(token, reason="a test", actor=ADA).pk


def test_step_has_the_name_of_who_pressed() -> None:
    """What is done in the process is the operator's, with the reason that was typed."""
    stands(Phase.CANARY, percent=5)
    assert working.work(opened("rollback")) is Ended.DONE
    step = Step.objects.get()
    assert (step.actor, step.reason, step.verb) == ("ada@shop.test", "a test", "rollback")
    row = Press.objects.get()
    assert (row.outcome, row.process) == ("done", os.getpid())
    assert "payment: canary 5 % -> shadow" in row.said


def test_guard_that_fails_then_is_a_refusal() -> None:
    """What held when it was looked at may not hold any more: the table says which."""
    stands(Phase.SHADOW)
    assert working.work(opened("canary", percent=5)) is Ended.REFUSED
    assert "canary is refused (instances on the monolith's data)" in Press.objects.get().said
    assert not Step.objects.exists()


def test_somebody_at_a_terminal_was_faster() -> None:
    """The process is refused with who it is."""
    stands(Phase.CANARY, percent=5)
    press = opened("rollback")
    with controlling("payment", "verify"):
        assert working.work(press) is Ended.REFUSED
    assert "is at payment with `verify` since" in Press.objects.get().said


def test_what_cannot_be_done_says_why() -> None:
    """One line, and the next press may begin."""
    stands(Phase.SHADOW)
    assert working.work(opened("verify")) is Ended.REFUSED
    assert "payment is in phase monolith: no move" in Press.objects.get().said  # no database
    opened("verify")


def test_press_is_worked_once() -> None:
    """A second process of the same press does nothing; nor does one of a press that has ended."""
    stands(Phase.CANARY, percent=5)
    press = opened("rollback")
    assert working.work(press) is Ended.DONE
    assert working.work(press) is None
    assert Step.objects.count() == 1
    assert working.work(press + 1) is None


def test_stopped_between_a_question_and_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session takes no other question then; how it ended is written down all the same."""
    press = opened("create")
    verb = Verb(name="create", help="", run=lambda _call: interrupt())
    monkeypatch.setattr(working, "verb_named", lambda name: verb)
    assert working.work(press) is Ended.STOPPED
    assert Press.objects.get().outcome == "stopped"


def test_stop_interrupts_the_process() -> None:
    """As Ctrl-C at a terminal does; asked before it looked as well."""
    press = opened("create")
    presses.ask_to_stop("payment", press, "bea@shop.test")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt), working.Interrupting(press):
        time.sleep(30)  # not pause(), which does not see a signal that came just before


def test_killed_process_is_seen_as_killed(viewer: Client) -> None:
    """Its lock was its session's: once that has ended, whoever looks puts it on record."""
    press = opened("create")
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = database "
        "WHERE datname = current_database() AND locktype = 'advisory' "
        "AND classid = (hashtext('ficus.extraction.press')::bigint & 4294967295)::oid"
    )
    with presses.begun(press, machine="m", process=1) as row:
        assert row is not None
        Step.objects.create(module="payment", verb="create", actor="ada", reason="a test")
        assert "create under way" in part(viewer, "press")
        with login("default") as other:
            other.execute(kill)
        assert "create killed" in part(viewer, "press")
    assert "its process was gone before it was done" in Press.objects.get().said
    assert "create 20" in part(viewer, "history")
    assert "killed" in part(viewer, "history")
    presses.end(press, Ended.DONE, "too late")
    assert Press.objects.get().outcome == "killed"


def test_killed_step_is_not_taken_for_the_one_at_work(viewer: Client) -> None:
    """Two of the same verb: only what the present controller has begun is under way."""
    Step.objects.create(module="payment", verb="verify", actor="ada", reason="first")
    with controlling("payment", "verify"):
        Step.objects.create(module="payment", verb="verify", actor="bea", reason="second")
        text = part(viewer, "history")
    assert "under way bea: second" in text
    assert "killed ada: first" in text


def test_process_that_never_began_holds_nobody() -> None:
    """After a minute the next one may begin."""
    press = opened("create")
    presses.settle("payment")
    assert Press.objects.get().ended_at is None
    long_ago = presses.STARTS_WITHIN + timedelta(seconds=1)
    Press.objects.filter(pk=press).update(pressed_at=F("pressed_at") - long_ago)
    opened("create")
    first = Press.objects.get(pk=press)
    assert (first.outcome, first.said) == ("killed", "its process never began")
    with presses.begun(press, machine="m", process=1) as row:
        assert row is None


def test_progress_is_told_now_and_then(viewer: Client) -> None:
    """In the row, for whoever looks; the last word is kept with the end."""
    press = opened("backfill")
    with presses.begun(press, machine="m", process=1) as row:
        assert row is not None
        told = working.Told(row)
        told.at("payment_payment", 250, 1000)
        told.at("payment_payment", 260, 1000)  # too soon for another word
        assert "250 of 1,000 rows, payment_payment" in part(viewer, "press")
        presses.end(press, Ended.DONE, "done", **told.last)
    assert Press.objects.get().done == 260
