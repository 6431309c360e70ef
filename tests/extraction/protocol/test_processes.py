"""Real processes under load, stopped and killed: nothing is lost, doubled or stray."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from modules.extraction.protocol import (
    Direction,
    FenceRefused,
    Move,
    State,
    compare,
    cutover,
    heal,
    install,
    ownership,
    rollback,
    scrub,
    tune,
)
from modules.extraction.protocol.crashpoints import EXIT_CODE, POINTS
from tests.extraction.protocol import writing
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.processes import Nursery, Process, running
from tests.extraction.protocol.shop import lines
from tests.extraction.protocol.test_installing import INSTALL, UNINSTALL
from tests.extraction.protocol.test_repairing import REPAIR

ROUND_TRIPS = 4  # the benchmark does more
INSERT = "INSERT INTO till.account (name) VALUES (gen_random_uuid())"


def settle(pair: Pair) -> None:
    """Both streams to their ends; several times, as each may wait for the other's process."""
    for direction in Direction:
        pair.sync(direction)


def check_ledger(pair: Pair, ledgers: list[Path], side: psycopg.Connection) -> int:
    """Every accepted ticket is there once and nothing else; how many there are."""
    accepted = [ticket for ledger in ledgers for ticket, _side, _when in writing.read(ledger)]
    rows = side.execute(
        "SELECT body->>'ticket' FROM till.entry WHERE amount < 1000000 "
        "AND body->>'ticket' IS NOT NULL"
    ).fetchall()
    found = Counter(row[0] for row in rows)
    assert set(accepted) - found.keys() == set(), "lost"
    assert found.keys() - set(accepted) == set(), "stray"
    assert [ticket for ticket, times in found.items() if times > 1] == [], "doubled"
    balances = side.execute("SELECT sum(balance) FROM till.account").fetchone()
    assert balances == (len(accepted),)
    return len(accepted)


def pauses(ledgers: list[Path], fences: list[tuple[int, float]]) -> list[float]:
    """Milliseconds from each fence's commit to the first accepted write on the other side."""
    accepted = sorted(
        (when, side) for ledger in ledgers for _ticket, side, when in writing.read(ledger)
    )
    return [
        (next(when for when, side in accepted if side == to and when > fenced) - fenced) * 1000
        for to, fenced in fences
    ]


def swap(pair: Pair, fences: list[tuple[int, float]], trip: int) -> None:
    """There or back, as often as the writers refuse the fence."""
    to = 1 - trip % 2
    at = [0.0]

    def watch(step: str) -> None:
        if step == "fenced":
            at[0] = time.time()

    for _attempt in range(20):
        try:
            if to:
                cutover(pair.move, checked=False, watch=watch)
            else:
                rollback(pair.move, watch=watch)
            break
        except FenceRefused:
            continue
    fences.append((to, at[0]))


def test_no_write_is_lost_doubled_or_stray_over_swaps_under_load(
    pair: Pair, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes of writers, streams in a third; one writer is stopped across each swap."""
    pair.ready()
    ledgers = [tmp_path / "one", tmp_path / "two"]
    fences: list[tuple[int, float]] = []
    with (
        running(pair.move, "follow") as streams,
        running(pair.move, "write", str(ledgers[0])) as one,
        running(pair.move, "write", str(ledgers[1])) as two,
    ):
        assert streams.stdout is not None
        streams.stdout.readline()
        for trip in range(2 * ROUND_TRIPS):
            time.sleep(0.1)
            victim = (one, two)[trip // 2 % 2]
            os.kill(victim.pid, signal.SIGSTOP)
            try:
                swap(pair, fences, trip)
            except FenceRefused:
                # Stopped within a transaction: nobody can take the module from under it.
                os.kill(victim.pid, signal.SIGCONT)
                swap(pair, fences, trip)
            os.kill(victim.pid, signal.SIGCONT)
        for ledger, process in zip(ledgers, (one, two), strict=True):
            Path(f"{ledger}.stop").touch()
            process.wait(timeout=30)
    settle(pair)
    total = check_ledger(pair, ledgers, pair.source)
    assert total > 100
    assert pair.same()
    assert all(digest.equal for digest in compare(pair.move))
    assert scrub(pair.move).count == 0
    taken = sorted(pauses(ledgers, fences))
    with capsys.disabled():
        print(
            f"\n{total} writes, {len(taken)} swaps, pause p50 {taken[len(taken) // 2]:.1f} ms, "
            f"max {taken[-1]:.1f} ms"
        )


@pytest.mark.parametrize("side", ["source", "target"])
def test_no_session_that_was_stopped_through_a_swap_writes_to_the_old_side(
    pair: Pair, side: str
) -> None:
    """Every isolation level, and INSERT, prepared, COPY, MERGE, DELETE, TRUNCATE."""
    pair.ready()
    old, swap_away = pair.source, lambda: cutover(pair.move, checked=False)
    if side == "target":
        cutover(pair.move)
        old, swap_away = pair.target, lambda: rollback(pair.move)
    with running(pair.move, "stale", side) as stale:
        assert stale.stdout is not None
        assert stale.stdin is not None
        assert stale.stdout.readline() == "ready\n"
        os.kill(stale.pid, signal.SIGSTOP)
        swap_away()
        before = lines(old)
        os.kill(stale.pid, signal.SIGCONT)
        stale.stdin.write("go\n")
        stale.stdin.flush()
        said = json.loads(stale.stdout.readline())
    assert said == {"accepted": [], "tried": 32}
    assert lines(old) == before


CUTOVER = {
    "cutover.held": State.MONOLITH,
    "cutover.fenced": State.FENCE_LEFT,
    "apply.applied:3": State.FENCE_LEFT,
    "cutover.drained": State.FENCE_LEFT,
    "cutover.committed": State.NOT_GRANTED,
    "cutover.granted": State.SERVICE,
}
COPY = ("backfill.copied:2", "backfill.committed:2", "apply.read:3", "apply.committed")
ROLLBACK = {
    "rollback.held": State.SERVICE,
    "rollback.fenced": State.SERVICE_FENCE_LEFT,
    "apply.applied:3": State.SERVICE_FENCE_LEFT,
    "rollback.drained": State.SERVICE_FENCE_LEFT,
    "rollback.committed": State.NOT_CLOSED,
    "rollback.closed": State.MONOLITH,
}


def test_a_cutover_killed_at_any_step_is_healed(pair: Pair) -> None:
    """A named state, one authority, no write lost; and the next one begins where it ends."""
    pair.ready()
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point, state in CUTOVER.items():
            pair.source.execute("UPDATE till.account SET balance = balance + 1 WHERE id < 9")
            assert nursery.run("cutover", point)[0] == EXIT_CODE, point
            _healed(pair, state)
            if ownership(pair.move.source).owner == "service":
                assert nursery.run("rollback")[0] == 0
            settle(pair)
            assert pair.same(), point


def test_a_rollback_killed_at_any_step_is_healed(pair: Pair) -> None:
    """As above, from the other side."""
    pair.ready()
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point, state in ROLLBACK.items():
            if ownership(pair.move.source).owner == "monolith":
                assert nursery.run("cutover")[0] == 0
            pair.target.execute("UPDATE till.account SET balance = balance + 1 WHERE id < 9")
            assert nursery.run("rollback", point)[0] == EXIT_CODE, point
            _healed(pair, state)
            settle(pair)
            assert pair.same(), point


def test_a_healer_killed_between_its_steps_is_healed(pair: Pair) -> None:
    """The swap is impossible, the service still fenced: the next one opens it."""
    pair.ready()
    cutover(pair.move)
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        assert nursery.run("rollback", "rollback.drained")[0] == EXIT_CODE
        assert nursery.run("heal", "heal.burnt")[0] == EXIT_CODE
    _healed(pair, State.SERVICE_FENCE_LEFT)


def _healed(pair: Pair, state: State) -> None:
    """Heal; then exactly the side that heal names accepts a write."""
    until = time.monotonic() + 5
    while (healed := heal(pair.move)).found in (State.CUTTING_OVER, State.ROLLING_BACK):
        assert time.monotonic() < until  # PostgreSQL has yet to notice that the process is gone
    assert healed.found is state
    assert healed.now in (State.MONOLITH, State.SERVICE)
    here, there = pair.source, pair.target
    if healed.now is State.SERVICE:
        here, there = there, here
    here.execute(INSERT)
    with pytest.raises(psycopg.DatabaseError, match="has moved"):
        there.execute(INSERT)


def test_a_copy_killed_at_any_step_goes_on(pair: Pair) -> None:
    """What was committed is not copied again, what was not is."""
    install(pair.move)
    tune(pair.move, chunk_rows=30)
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point in COPY:
            assert nursery.run("backfill", point)[0] == EXIT_CODE, point
            pair.source.execute("UPDATE till.account SET balance = balance + 1")
        assert nursery.run("backfill") == (0, {"rows": 310})
    settle(pair)
    assert pair.same()


def test_a_stopped_controller_costs_its_time_to_live(pair: Pair) -> None:
    """The fence lapses by itself; when the controller goes on it has nothing to decide."""
    pair.ready()
    crash = "cutover.drained:1:stop"
    with running(pair.move, "cutover", FICUS_MOVE_CRASH_AT=crash) as control:
        _until_fenced(pair.move)
        began = time.monotonic()
        while not _writes(pair.source):
            time.sleep(0.002)
        paused = time.monotonic() - began
        os.kill(control.pid, signal.SIGCONT)
        assert _said(control) == {"error": "SwapRefused"}
    assert paused < 1.5  # TTL 1 s, and room for a busy machine
    settle(pair)
    assert pair.same()


def _until_fenced(move: Move) -> None:
    until = time.monotonic() + 30
    while ownership(move.source).mode != "fenced":
        assert time.monotonic() < until


def _writes(session: psycopg.Connection) -> bool:
    try:
        session.execute(INSERT)
    except psycopg.DatabaseError:
        return False
    return True


def _said(process: Process) -> object:
    said, _ = process.communicate(timeout=30)
    return json.loads(said.splitlines()[-1])


def test_all_crash_points_are_tried() -> None:
    """A new point must be killed somewhere here."""
    points = (*CUTOVER, *ROLLBACK, *COPY, "heal.burnt", *INSTALL, *UNINSTALL, *REPAIR)
    tried = {point.partition(":")[0] for point in points}
    assert tried == set(POINTS)
