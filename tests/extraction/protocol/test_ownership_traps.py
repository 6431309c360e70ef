"""Traps of fence, commit point and rollback; with the fault planted, each loses a write."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import psycopg
import pytest

from modules.extraction.protocol import (
    Controlled,
    Direction,
    Diverged,
    FenceRefused,
    NotReady,
    Refusal,
    State,
    Stream,
    SwapRefused,
    cutover,
    heal,
    ownership,
    preflight,
    refusal,
    rollback,
    scrub,
)
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.guarding import locks
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.planting import plant

INSERT = "INSERT INTO till.account (name) VALUES ('written')"
LONG = timedelta(seconds=30)
planted = pytest.mark.parametrize("faulty", [False, True], ids=["", "planted"])


def accepts(session: psycopg.Connection, statement: str = INSERT) -> bool:
    """Whether a write goes through; False when it is refused as fenced or moved, or serialized."""
    try:
        session.execute(statement)
    except psycopg.errors.SerializationFailure:
        return False
    except psycopg.DatabaseError as error:
        if refusal(error) not in (Refusal.FENCED, Refusal.MOVED):
            raise
        return False
    return True


def lapse(session: psycopg.Connection) -> None:
    """The fence's time is up, now."""
    session.execute("UPDATE till_move.ownership SET fence_deadline = clock_timestamp()")


@contextmanager
def in_background(work: threading.Thread) -> Iterator[None]:
    """Runs beside the block, and has ended after it."""
    work.start()
    try:
        yield
    finally:
        work.join(timeout=20)
        assert not work.is_alive()


def waits(session: psycopg.Connection, pid: int) -> None:
    """Until the session ``pid`` waits for a lock."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        found = session.execute(
            "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", [pid]
        ).fetchone()
        if found and found[0]:
            return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


@planted
def test_a_writer_who_waited_for_the_fence_sees_it(pair: Pair, faulty: bool) -> None:
    """With lock and look in one statement the look is as old as the wait: a write is accepted."""
    pair.ready()
    if faulty:
        key = locks(pair.move.source)[0].as_string(pair.source)
        plant(pair.source, "guard", f"PERFORM pg_advisory_xact_lock_shared({key});", "")
        look = 'SELECT {}* INTO has FROM {}"till_move".ownership{};\n    END IF'
        both = look.format("o.", f"pg_advisory_xact_lock_shared({key}) l, ", " o")
        plant(pair.source, "guard", look.format("", "", ""), both)
    got: list[bool] = []
    writer = psycopg.connect(pair.move.source.url, autocommit=True)
    with Controller(pair.move) as control, writer:
        control.source.execute("BEGIN")
        control.fence(pair.move.source, LONG, 1)
        with in_background(threading.Thread(target=lambda: got.append(accepts(writer)))):
            waits(pair.source, writer.info.backend_pid)
            control.source.execute("COMMIT")
    assert got == [faulty]


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@planted
def test_an_old_snapshot_does_not_hide_the_swap(pair: Pair, level: str, faulty: bool) -> None:
    """The guard's row is read FOR SHARE there: it fails if the row has changed since."""
    pair.ready()
    if faulty:
        plant(pair.source, "guard", "IN ('repeatable read', 'serializable')", "IN ('never')")
    with psycopg.connect(pair.move.source.url, autocommit=True) as stale:
        stale.execute(f"BEGIN ISOLATION LEVEL {level}")
        stale.execute("SELECT count(*) FROM till.note")
        cutover(pair.move)
        assert accepts(stale) is faulty


GUARDS = {
    "clock": ("clock_timestamp() < fence_deadline", "now() < fence_deadline"),
    "sequence": ("last_value", "of_marker"),
}


@pytest.mark.parametrize("gone", [(), ("clock",), ("sequence",), ("clock", "sequence")])
def test_a_swap_that_comes_after_the_lapse_loses_no_write(
    pair: Pair, gone: tuple[str, ...]
) -> None:
    """A controller stopped in its transaction, a fence that lapsed, a write that was accepted.

    The clock (not now(), which is the transaction's beginning) and the log's sequence each refuse
    the swap; without both of them the write is lost.
    """
    pair.ready()
    for name in gone:
        plant(pair.source, "give", *GUARDS[name])
    with Controller(pair.move) as control, Stream(pair.move, Direction.FORWARD) as stream:
        epoch, marker = control.fence(pair.move.source, LONG, 5)
        assert not accepts(pair.source)
        stream.apply_once()
        control.source.execute("BEGIN")
        lapse(pair.source)
        assert accepts(pair.source)
        (at,) = control.call(pair.move.source, "give", epoch, marker)
        control.source.execute("COMMIT")
    is_lost = at is not None
    assert is_lost is (len(gone) == 2)
    assert ownership(pair.move.source).owner == ("service" if is_lost else "monolith")


@planted
def test_a_write_and_a_swap_at_the_same_moment(pair: Pair, faulty: bool) -> None:
    """The swap has looked at clock and sequence, the fence lapses, a writer comes, the swap
    commits: without the writers' lock in the swap both succeed, and the write is lost.
    """
    pair.ready()
    if faulty:
        plant(pair.source, "give", "PERFORM pg_advisory_xact_lock(", "PERFORM abs(")
    with Controller(pair.move) as control, Stream(pair.move, Direction.FORWARD) as stream:
        epoch, marker = control.fence(pair.move.source, timedelta(seconds=1), 5)
        stream.apply_once()
        control.source.execute("BEGIN")
        (at,) = control.call(pair.move.source, "give", epoch, marker)
        assert at is not None
        time.sleep(1.02)  # the row is locked: here it has to lapse by itself
        got: list[bool] = []
        writer = psycopg.connect(pair.move.source.url, autocommit=True)
        with writer, in_background(threading.Thread(target=lambda: got.append(accepts(writer)))):
            if not faulty:
                waits(pair.source, writer.info.backend_pid)
            else:
                time.sleep(0.2)
            control.source.execute("COMMIT")
    assert got == [faulty]


@planted
def test_a_reopened_service_is_not_swapped_away(pair: Pair, faulty: bool) -> None:
    """A controller of a rollback stops before its commit point; the service is opened and writes;
    the controller goes on. Opening burns the epoch in the source first; without that the write
    is lost.
    """
    pair.ready()
    cutover(pair.move)
    with Controller(pair.move) as control, Stream(pair.move, Direction.REVERSE) as stream:
        base = ownership(pair.move.source).epoch
        epoch, marker = control.fence(pair.move.target, LONG, 5)
        stream.apply_once()
        lapse(pair.target)
        assert not accepts(pair.target)  # it never lapses by itself
        if faulty:
            control.call(pair.move.target, "unfence", epoch, 0)
        else:
            assert heal(pair.move).found is State.SERVICE_FENCE_LEFT
        assert accepts(pair.target)
        (at,) = control.call(pair.move.source, "take_back", base, marker)
    assert (at is not None) is faulty
    if not faulty:
        rollback(pair.move)
        assert pair.same()


def test_a_fence_lapses_when_its_controller_is_stopped(pair: Pair) -> None:
    """At its deadline, without anybody's doing; the swap is refused then."""
    pair.ready()
    with pytest.raises(SwapRefused):
        cutover(pair.move, watch=lambda step: step == "drained" and time.sleep(1.1))
    assert accepts(pair.source)
    assert cutover(pair.move).epoch == 3


def test_a_fence_ends_with_its_controller(pair: Pair) -> None:
    """The writers see that its session is gone, long before the deadline."""
    pair.ready()
    control = Controller(pair.move)
    control.fence(pair.move.source, LONG, 5)
    assert not accepts(pair.source)
    with pytest.raises(Controlled):
        cutover(pair.move, checked=False)
    control.close()
    until = time.monotonic() + 5
    while not accepts(pair.source):
        assert time.monotonic() < until
    assert heal(pair.move).found is State.FENCE_LEFT
    assert heal(pair.move).found is State.MONOLITH


def test_a_writer_in_mid_transaction_makes_the_fence_give_up(pair: Pair) -> None:
    """Nothing has changed hands, and whoever queued behind the fence goes on."""
    pair.ready()
    with psycopg.connect(pair.move.source.url) as busy:
        busy.execute(INSERT)
        with pytest.raises(FenceRefused):
            cutover(pair.move, attempts=2, checked=False)
        assert accepts(pair.source, "UPDATE till.note SET text = 'on'")
        time.sleep(0.06)
        failed = [check.name for check in preflight(pair.move) if not check.ok]
        assert failed == ["open transactions of the module"]
    assert cutover(pair.move, checked=False).epoch == 1


def test_writers_that_wait_for_each_other_and_for_the_fence_are_let_past(pair: Pair) -> None:
    """A writes and waits for B's row lock; the fence waits for A; B writes, and queues behind the
    fence: the deadlock detector lets B pass, both commit, and then the fence stands.
    """
    pair.ready()
    steps: list[str] = []
    with (
        psycopg.connect(pair.move.source.url) as a,
        psycopg.connect(pair.move.source.url) as b,
        Controller(pair.move) as control,
    ):
        b.execute("SELECT FROM till.account WHERE id = 1 FOR UPDATE")
        a.execute("UPDATE till.account SET balance = 1 WHERE id = 2")

        def first() -> None:
            a.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
            a.commit()
            steps.append("a")

        def fence() -> None:
            control.fence(pair.move.source, LONG, 20)
            steps.append("fence")

        with in_background(threading.Thread(target=first)):
            waits(pair.source, a.info.backend_pid)
            with in_background(threading.Thread(target=fence)):
                waits(pair.source, control.source.info.backend_pid)
                b.execute("UPDATE till.account SET balance = 2 WHERE id = 3")
                b.commit()
        assert sorted(steps) == ["a", "fence"]  # which of the threads says so first is chance


def test_sessions_that_only_hold_row_locks_are_ended_after_the_swap(pair: Pair) -> None:
    """They have not passed the guard, so the fence does not wait for them; they would block what
    comes back.
    """
    pair.ready()
    with psycopg.connect(pair.move.source.url) as holder:
        holder.execute("SELECT FROM till.account FOR UPDATE")
        cutover(pair.move, checked=False)
        pair.target.execute("UPDATE till.account SET balance = 4")
        assert pair.sync(Direction.REVERSE) == 50
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")
    assert pair.same()


def test_a_row_changed_around_the_protocol_is_found_inside_the_pause(pair: Pair) -> None:
    """When the application touches it afterwards: the sums of claims and deeds differ at the
    marker, the fence opens again, and the monolith still has the module.
    """
    pair.ready()
    pair.target.execute("SET session_replication_role = replica; SET ficus.applier = 'till'")
    pair.target.execute("UPDATE till.account SET balance = 666 WHERE id = 5")
    pair.source.execute("UPDATE till.account SET name = 'touched' WHERE id = 5")
    with pytest.raises(Diverged) as caught:
        cutover(pair.move, checked=False)
    assert caught.value.tables == ("account",)
    assert accepts(pair.source)


def test_a_row_changed_around_the_protocol_is_found_by_the_scrub_before_it(pair: Pair) -> None:
    """One row of each kind; a cutover is not ready then."""
    pair.ready()
    pair.target.execute("SET session_replication_role = replica; SET ficus.applier = 'till'")
    pair.target.execute("UPDATE till.account SET balance = 666 WHERE id = 5")
    pair.target.execute("DELETE FROM till.entry WHERE id = 77")
    pair.target.execute("INSERT INTO till.note VALUES ('zz', '2030-01-01', '')")
    found = scrub(pair.move, chunk_rows=20)
    assert [(one.table, one.key, one.kind) for one in found.differences] == [
        ("account", "5", "changed"),
        ("entry", "77", "missing"),
        ("note", "(zz,2030-01-01)", "extra"),
    ]
    with pytest.raises(NotReady, match="scrub"):
        cutover(pair.move)


def test_the_next_controller_clears_what_a_dead_one_left(pair: Pair) -> None:
    """On both sides: nobody has to heal first, and writers are not refused while it catches up."""
    pair.ready()
    with Controller(pair.move) as dead:
        dead.fence(pair.move.source, LONG, 5)
    cutover(pair.move, checked=False)
    with Controller(pair.move) as dead:
        dead.fence(pair.move.target, LONG, 5)
    assert not accepts(pair.target)
    rollback(pair.move)
    assert accepts(pair.source)
    assert heal(pair.move).found is State.MONOLITH
