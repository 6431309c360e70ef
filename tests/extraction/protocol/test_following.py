"""Streams and watches that run for days beside a module, and what ends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from modules.extraction.protocol import (
    Direction,
    Follower,
    Move,
    State,
    cutover,
    following,
    preflight,
    repair,
    streams,
    uninstall,
)
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.following import watch_fences
from modules.extraction.protocol.positions import Position
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.spoiling import around
from tests.waiting import eventually

SESSIONS = """
SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity
WHERE application_name = 'ficus till heal' AND datname = ANY(%s)
"""


class Run(threading.Thread):
    """A function in a thread; ``outcome`` is what it returned or raised."""

    def __init__(self, function, *arguments):  # type: ignore[no-untyped-def]
        super().__init__(daemon=True)
        self._call = lambda: function(*arguments)
        self.outcome: object = None

    def run(self) -> None:
        try:
            self.outcome = self._call()
        except Exception as error:
            self.outcome = error


@contextmanager
def running(function, *arguments) -> Iterator[tuple[Run, threading.Event]]:  # type: ignore[no-untyped-def]
    """It runs until the block ends; the last argument it gets is what stops it."""
    stop = threading.Event()
    run = Run(function, *arguments, stop)
    run.start()
    try:
        yield run, stop
    finally:
        stop.set()
        run.join(10)
        assert not run.is_alive()


def fences(move: Move, stop: threading.Event) -> list[State]:
    return watch_fences(move, stop, every=0.02)


def test_a_follower_ends_quietly_when_the_protocol_is_taken_off(pair: Pair) -> None:
    """Nothing is left to follow; that is no failure, and what it carried is counted."""
    pair.copy()
    with running(Follower(pair.move, Direction.FORWARD, poll=0.005).run) as (run, _stop):
        pair.source.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
        eventually(pair.same, within=10, what="the change on the other side")
        uninstall(pair.move)
        run.join(10)
        assert not run.is_alive()
    assert run.outcome == 1


def test_a_follower_brings_little_in_few_batches(pair: Pair) -> None:
    """One costs as much with a row as with a hundred; what has come since waits for the next."""
    pair.copy()
    with running(Follower(pair.move, Direction.FORWARD, poll=0.3).run):
        first, began = _turn(pair), time.monotonic()
        for balance in range(100):
            pair.source.execute("UPDATE till.account SET balance = %s WHERE id = 1", [balance])
        eventually(pair.same, within=10, what="all of it on the other side")
        assert _turn(pair) - first <= 2 + (time.monotonic() - began) / 0.3


def test_a_follower_leaves_changes_to_a_controller(pair: Pair) -> None:
    """A swap brings them itself, and must not find its batch applied by another: for a while only,
    and not longer than there is a controller.
    """
    pair.copy()
    with running(Follower(pair.move, Direction.FORWARD, poll=0.005).run):
        with Controller(pair.move):
            began = time.monotonic()
            pair.source.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
            eventually(pair.same, within=10, what="the change, though the controller does nothing")
            assert time.monotonic() - began >= following.ASIDE
        with Controller(pair.move):
            pair.source.execute("UPDATE till.account SET balance = 2 WHERE id = 1")
            time.sleep(0.1)
            assert not pair.same()
        eventually(pair.same, within=following.ASIDE / 2, what="the change after its end")


def test_a_follower_that_stands_still_holds_the_stream_up_for_a_while(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends it in its transaction; another brings the changes, and it goes on itself."""
    pair.copy()
    stands = threading.Event()

    def stand_still(point: str) -> None:
        if point == "apply.applied" and not stands.is_set():
            stands.set()
            time.sleep(2)

    still = Follower(pair.move, Direction.FORWARD, poll=0.005, still=timedelta(seconds=0.5))
    with running(still.run) as (run, _stop):
        monkeypatch.setattr(streams, "crash_point", stand_still)
        pair.source.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
        assert stands.wait(10)
        began = time.monotonic()
        with running(Follower(pair.move, Direction.FORWARD, poll=0.005).run):
            eventually(pair.same, within=1.5, what="the change by another applier")
            assert time.monotonic() - began > 0.3
        time.sleep(max(0.0, began + 2 - time.monotonic()))
        pair.source.execute("UPDATE till.account SET balance = 2 WHERE id = 1")
        eventually(pair.same, within=10, what="the next change by itself")
        assert run.is_alive()
    assert run.outcome == 1


def test_a_follower_outlives_a_row_that_is_refused(
    pair: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, without the row's values, and goes on when the row is made right."""
    monkeypatch.setattr(following, "STOPPED", 0.05)
    pair.ready()
    around(pair.target, "UPDATE till.account SET name = 'secret' WHERE id = 40")
    with running(Follower(pair.move, Direction.FORWARD, poll=0.005).run) as (run, _stop):
        pair.source.execute("UPDATE till.account SET name = 'secret' WHERE id = 2")
        eventually(lambda: "stream_stopped" in caplog.text, within=10, what="word of it")
        time.sleep(0.3)  # some tries more
        assert caplog.text.count("stream_stopped") == 1
        assert "account_name_key" in caplog.text
        assert "secret" not in caplog.text
        assert run.is_alive()
        repair(pair.move)
        pair.source.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
        eventually(pair.same, within=10, what="both changes on the other side")


def test_a_watch_looks_in_the_same_two_sessions(pair: Pair) -> None:
    """Twenty looks a second for days must not be forty connections a second."""
    pair.copy()
    with running(fences, pair.move):
        first = eventually(lambda: _sessions(pair), within=10, what="its sessions")
        time.sleep(0.3)
        assert _sessions(pair) == first
        assert len(first) == 2


def test_a_watch_goes_on_when_its_sessions_are_ended(pair: Pair) -> None:
    """A server that was restarted is looked at again, and a fence that was left is opened."""
    pair.ready()
    cutover(pair.move, checked=False)
    with running(fences, pair.move) as (run, _stop):
        first = eventually(lambda: _sessions(pair), within=10, what="its sessions")
        for pid in first:
            pair.source.execute("SELECT pg_terminate_backend(%s)", [pid])
        with Controller(pair.move) as control:
            control.fence(pair.move.target, timedelta(seconds=60), 5)
        eventually(lambda: _is_open(pair), within=10, what="the service's fence opened")
    assert State.SERVICE_FENCE_LEFT in run.outcome  # type: ignore[operator]


def test_a_cutover_waits_for_a_transaction_that_is_soon_over(pair: Pair) -> None:
    """On a busy machine one is often a little older than it should be."""
    pair.ready()
    with psycopg.connect(pair.move.source.url) as busy:
        busy.execute("UPDATE till.note SET text = 'busy' WHERE kind = 'k1'")
        threading.Timer(0.3, busy.commit).start()
        time.sleep(0.06)
        began = time.monotonic()
        assert [check.name for check in preflight(pair.move) if not check.ok] == []
        assert time.monotonic() - began >= 0.15


def _turn(pair: Pair) -> int:
    """How many batches have moved the position."""
    found = pair.target.execute("SELECT position FROM till_move.stream WHERE name = 'forward'")
    return Position.parse((found.fetchone() or ("",))[0]).turn


def _sessions(pair: Pair) -> list[int]:
    names = [pair.source.info.dbname, pair.target.info.dbname]
    row = pair.source.execute(SESSIONS, [names]).fetchone()
    found = row[0] if row else None
    return found if found and len(found) == 2 else []


def _is_open(pair: Pair) -> bool:
    row = pair.target.execute("SELECT mode FROM till_move.ownership").fetchone()
    return bool(row and row[0] == "open")
