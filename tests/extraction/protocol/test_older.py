"""From a monolith on an older PostgreSQL: to a service on 18, and to one on the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from modules.extraction.protocol import (
    Backfill,
    Direction,
    Follower,
    NotReady,
    State,
    Stream,
    compare,
    cutover,
    heal,
    install,
    repair,
    rollback,
    scrub,
    tune,
    uninstall,
)
from modules.extraction.protocol.rotating import rotate
from tests.extraction.protocol import writing
from tests.extraction.protocol.conftest import Old, Pair, sessions
from tests.extraction.protocol.older import NEWEST, WHEELS, versions
from tests.extraction.protocol.processes import running
from tests.extraction.protocol.shop import till
from tests.extraction.protocol.test_log_traps import SWAPS
from tests.extraction.protocol.test_path import CATALOGUE
from tests.extraction.protocol.test_processes import check_ledger, swap
from tests.waiting import eventually

# Every kind of change in one batch, in partitions and json columns too.
CHANGES = """
UPDATE till.account SET balance = balance + 1 WHERE id < 20;
UPDATE till.note SET day = day + 5000 WHERE kind = 'k2';
DELETE FROM till.note WHERE kind = 'k1';
INSERT INTO till.note VALUES ('k1', '2020-01-02', 'again');
INSERT INTO till.entry (account_id, amount, body, rate, took)
VALUES (1, 2, '{"a":  1}', 0.1234567890123456, '1 mon -02:03:04');
INSERT INTO till.entry (id, account_id, amount) OVERRIDING SYSTEM VALUE VALUES (1000007, 1, 5);
DELETE FROM till.entry WHERE id < 20;
"""
AROUND = "SET session_replication_role = replica; SET ficus.applier = 'till'"
PLANT = "INSERT INTO till.note VALUES ('planted', '2020-01-01', 'x')"
ENTRIES = "SELECT max(id) FROM till.entry WHERE body->>'ticket' IS NOT NULL"
LOG_WRITER = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"
LATE = "SET synchronous_commit = off; UPDATE till.account SET balance = 3"
ON_DISK = "SELECT pg_current_wal_flush_lsn() >= %s::pg_lsn"


def moves(source: int, target: int) -> Any:
    """A parameter of ``pair``."""
    marks = () if source in WHEELS else pytest.mark.debian
    return pytest.param((source, target), marks=marks, id=f"{source} to {target}")


TO_18 = [moves(version, NEWEST) for version in versions()]
# What an older target does is in the way back, too: among themselves not each with each.
ALL = [*TO_18, moves(16, 16)]


@pytest.fixture(params=ALL)
def pair(request: pytest.FixtureRequest, old: Old, urls: tuple[str, ...]) -> Iterator[Pair]:
    """As everywhere, with the source on an older PostgreSQL."""
    source, target = request.param
    with sessions(till(old(source)[0], urls[1] if target == NEWEST else old(target)[1])) as pair:
        assert pair.source.info.server_version // 10000 == source
        assert pair.target.info.server_version // 10000 == target
        yield pair


def equal(pair: Pair) -> bool:
    """As the rows have it, and as the sums have it."""
    return pair.same() and all(digest.equal for digest in compare(pair.move))


def test_all_changes_arrive_and_come_back(pair: Pair) -> None:
    """While it is copied, before the cutover, after it, and after the rollback."""
    install(pair.move)
    tune(pair.move, chunk_rows=60)
    finished = False
    with Backfill(pair.move) as backfill:
        while not finished:
            finished = backfill.step().finished
            pair.source.execute("UPDATE till.account SET balance = balance + 1 WHERE id % 3 = 0")
    for changes in (CHANGES, *SWAPS.values()):
        pair.source.execute(changes)
        pair.sync()
        assert equal(pair), changes
    assert scrub(pair.move).count == 0
    assert cutover(pair.move).epoch == 1
    for changes in (CHANGES.replace("1000007", "1000008"), *SWAPS.values()):
        pair.target.execute(changes.replace("a30", "b30"))
        pair.sync(Direction.REVERSE)
        assert equal(pair), changes
    assert scrub(pair.move).count == 0
    assert rollback(pair.move).epoch == 2
    pair.source.execute("DELETE FROM till.note WHERE kind = 'k4'")
    pair.sync()
    assert equal(pair)


def test_a_row_that_was_planted_is_found_and_repaired(pair: Pair) -> None:
    """No cutover is made over it."""
    pair.ready()
    with psycopg.connect(pair.move.target.url, autocommit=True) as around:
        around.execute(AROUND)
        around.execute(PLANT)
        found = scrub(pair.move, chunk_rows=30)
        assert [(one.table, one.kind) for one in found.differences] == [("note", "extra")]
        with pytest.raises(NotReady, match="scrub"):
            cutover(pair.move)
    repair(pair.move)
    assert scrub(pair.move).count == 0
    cutover(pair.move)
    assert pair.same()


def test_swaps_under_writers_lose_no_write(pair: Pair, tmp_path: Path) -> None:
    """There and back while they write; and afterwards nothing is left of it."""
    before = [one.execute(CATALOGUE).fetchall() for one in (pair.source, pair.target)]
    pair.ready()
    ledger = tmp_path / "ledger"
    with following(pair), running(pair.move, "write", str(ledger)) as writers:
        for trip in range(3):
            eventually(partial(wrote, pair, trip), within=30, what="writes on this side")
            if trip < 2:
                swap(pair, [], trip)
        Path(f"{ledger}.stop").touch()
        writers.wait(timeout=30)
    for direction in Direction:
        pair.sync(direction)
    assert check_ledger(pair, [ledger], pair.source) > 2
    assert {side for _ticket, side, _when in writing.read(ledger)} == {0, 1}
    assert equal(pair)
    uninstall(pair.move)
    assert [one.execute(CATALOGUE).fetchall() for one in (pair.source, pair.target)] == before
    assert heal(pair.move).found is State.NOT_INSTALLED


@pytest.mark.parametrize("pair", TO_18, indirect=True)
def test_what_was_read_is_on_the_disk_of_an_older_one_before_it_counts(pair: Pair) -> None:
    """Also when nothing there writes the log out by itself."""
    pair.copy()
    (log_writer,) = pair.source.execute(LOG_WRITER).fetchone() or (0,)
    os.kill(log_writer, signal.SIGSTOP)
    try:
        pair.source.execute(LATE)
        (written,) = pair.source.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
        assert pair.source.execute(ON_DISK, [written]).fetchone() == (False,)
        pair.sync()
        assert pair.source.execute(ON_DISK, [written]).fetchone() == (True,)
    finally:
        os.kill(log_writer, signal.SIGCONT)
    with Stream(pair.move, Direction.FORWARD) as stream:
        assert rotate(stream)
    assert equal(pair)


def wrote(pair: Pair, trip: int) -> bool:
    """Whether something has come on the side that has the module, beyond the rows that were."""
    side = (pair.source, pair.target)[trip % 2]
    before = side.execute(ENTRIES).fetchone() or (0,)
    time.sleep(0.05)
    return side.execute(ENTRIES).fetchone() != before


@contextmanager
def following(pair: Pair) -> Iterator[None]:
    """Both streams, as a watch has them."""
    stop = threading.Event()
    followers = [Follower(pair.move, direction, poll=0.005) for direction in Direction]
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in followers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
