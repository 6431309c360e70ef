"""What is said of a swap where it is not known how it ended, and of receipts written afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError

from modules.extraction import standings
from modules.extraction.auditing import Recorded, recorded
from modules.extraction.errors import NotFinished, Undecided
from modules.extraction.guards import Facts
from modules.extraction.models import Step
from modules.extraction.owed import _Moments, _timed
from modules.extraction.phases import Phase, Standing, Transition
from modules.extraction.protocol.controlling import TTL
from modules.extraction.protocol.sides import Move, Side
from modules.extraction.receipts import UNKNOWN, sign
from modules.extraction.routing.late import late_doors
from modules.extraction.routing.switching import Switch
from modules.extraction.steps import Ask, Change, Done, changed
from modules.extraction.swapping import _has_swapped
from tests.extraction.commands import strangler, told
from tests.proxy.front import FrontDoor

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_nobody_can_say_is_said_to_be_unknown(place: None) -> None:
    """The monolith's database was lost with the answer: one line, and the step stays open."""
    away = Side(name="monolith", url="host=127.0.0.1 port=9 dbname=x", schema="payment")
    move = Move("payment", away, Side(name="service", url=away.url, schema="payment"), ("t",))
    switch = Switch(move, (), None, None, print, "granted", to_service=True)  # type: ignore[arg-type]
    switch.heard("drained")
    unknown = pytest.raises(Undecided, match="not known whether cutover payment is committed")
    with unknown, recorded("payment", "cutover", reason="a test"):
        _has_swapped(switch, Transition.CUTOVER, psycopg.OperationalError("lost"))
    assert Step.objects.get().ended_at is None
    switch.heard("fenced")
    assert not _has_swapped(switch, Transition.CUTOVER, psycopg.OperationalError("lost"))


def moments(epoch: int, *, changed: float, server: int = 1, owner: str = "service") -> _Moments:
    """A side that was fenced at 0 s, and changed so many seconds later."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    at = start + timedelta(seconds=changed)
    return _Moments(owner, epoch, True, start + TTL, at, start + timedelta(days=server))


def test_a_receipt_says_only_what_the_databases_know() -> None:
    """The pause by one clock; not of two servers; nothing of a row that was changed since."""
    ours, theirs = moments(5, changed=0.02), moments(5, changed=0.5)
    assert _timed("cutover", ours, theirs) == (ours.changed_at, 500.0)
    elsewhere = moments(5, changed=0.5, server=2)
    assert _timed("cutover", ours, elsewhere) == (ours.changed_at, None)
    assert _timed("cutover", ours, moments(4, changed=0.5)) == (None, None)
    burnt = moments(7, changed=60)
    assert _timed("cutover", burnt, moments(7, changed=60)) == (None, None)
    assert _timed("rollback", moments(6, changed=0.04), moments(6, changed=9)) == (
        ours.changed_at + timedelta(seconds=0.02),
        40.0,
    )


def test_what_nobody_knows_is_shown_as_unknown(place: None) -> None:
    """To people; a program reads null. The signature holds."""
    with recorded("payment", "cutover", reason="a test") as step:
        sign(step.row, "cutover", 5, {"pause_ms": UNKNOWN, "committed_at": UNKNOWN})
    code, text, _ = strangler("log", "payment", "--receipts")
    assert (code, "unknown" in text) == (0, True)
    assert told("log", "payment", "--receipts")[1]["receipts"][0]["pause_ms"] is None


def test_somebody_elses_address_is_no_front_door(settings: Any, door: FrontDoor) -> None:
    """Who watches says that it is away, and goes on."""
    settings.PLACEMENT_FRONT_DOORS = [f"{door.admin_url}/-/live?"]
    extracted = Standing(phase=Phase.EXTRACTED, percent=100, epoch=3)
    [late] = late_doors("payment", extracted)
    assert late.is_away
    assert "is no front door's admin listener" in late.trouble
    assert list(late_doors("payment", Standing())) == []


def test_what_is_done_and_cannot_be_written_down_ends_with_three() -> None:
    """Nobody is to believe that nothing has changed hands."""
    error = NotFinished(module="payment", verb="cutover", why="the database was lost")
    assert error.exit_code == 3
    assert str(error).startswith("cutover payment is done, and not finished")


@pytest.mark.parametrize("epoch", [None, 7])
def test_a_record_that_cannot_be_written_does_not_undo_what_is_done(
    place: None, monkeypatch: Any, epoch: int | None
) -> None:
    """Committed, it is said to be done and its step stays open; else it has failed."""
    at = replace(Standing(), phase=Phase.SHADOW)
    standings.put("payment", at, reason="planted")

    def lost(*_: Any, **more: Any) -> None:
        raise OperationalError("server closed the connection")

    def work(step: Recorded, done: Done) -> None:
        done.epoch = epoch
        monkeypatch.setattr(standings, "put", lost)

    by = Transition.CANCEL  # it has no guards
    change = Change(by=by, facts=Facts, would=(), work=work, next_step="")
    with pytest.raises(NotFinished if epoch else OperationalError):
        changed(Ask(module="payment", reason="a test"), change)
    assert (Step.objects.get().ended_at is None) is bool(epoch)
