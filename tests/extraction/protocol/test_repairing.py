"""Rows written around the triggers are made the authority's again, and the way back stays open."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest

from modules.extraction.protocol import (
    Backfill,
    Controlled,
    Direction,
    Diverged,
    Follower,
    NotReady,
    Stream,
    StreamStopped,
    compare,
    cutover,
    examine,
    install,
    preflight,
    repair,
    rollback,
    scrub,
)
from modules.extraction.protocol.aligning import Alignment
from modules.extraction.protocol.controlling import Controller
from modules.extraction.protocol.crashpoints import EXIT_CODE
from modules.extraction.protocol.digests import Digest
from modules.extraction.protocol.repairing import _made_right
from modules.extraction.protocol.unblocking import check_follows
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.processes import Nursery, running
from tests.extraction.protocol.shop import lines
from tests.extraction.protocol.spoiling import SPOIL, SPOILED, around, parts, swaps

# Two rows far from each other have swapped what only one may have.
SWAP = """
UPDATE till.account SET name = 'between' WHERE id = 2;
UPDATE till.account SET name = 'a2' WHERE id = 49;
UPDATE till.account SET name = 'a49' WHERE id = 2;
"""
TOUCH = "UPDATE till.account SET balance = balance + 1 WHERE id IN (3, 5)"
WRITE = """
WITH a AS (UPDATE till.account SET balance = balance + 1 WHERE id = 1 + %(n)s %% 50),
     b AS (DELETE FROM till.entry WHERE id = %(n)s)
INSERT INTO till.note VALUES ('w' || %(n)s, '2026-01-01', '')
"""
REPAIR = ("repair.mended", "repair.committed", "repair.unblocked")
KEPT = "SELECT s::text FROM till_move.sums s UNION ALL SELECT s::text FROM till_move.scrub s"
ways = pytest.mark.parametrize("way", list(Direction))


def kept(pair: Pair) -> tuple[list[tuple[str, ...]], ...]:
    """The rows of both sides, and the protocol's sums and scrubs."""
    sessions = (pair.target, pair.source)
    return (
        *(lines(one) for one in sessions),
        *(one.execute(KEPT + " ORDER BY 1").fetchall() for one in sessions),
    )


@ways
def test_rows_of_all_kinds_are_made_the_authoritys(pair: Pair, way: Direction) -> None:
    """Found, made right, clean, and the module can be moved: in both directions."""
    authority, follower = parts(pair, way)
    around(follower, SPOIL)
    authority.execute("UPDATE till.account SET balance = 17 WHERE id = 30")  # on its way
    before = lines(authority)
    assert scrub(pair.move).count == SPOILED
    made = []
    wrong = repair(pair.move, chunk_rows=16, on_mended=made.append)
    assert sorted(one.kind for one in wrong.rows) == (
        ["changed"] * 2 + ["extra"] * 2 + ["missing"] * 4
    )
    assert wrong.authority == ("monolith" if way is Direction.FORWARD else "service")
    assert {one for table in made for one in table.rows} == set(wrong.rows)
    assert scrub(pair.move).count == 0
    assert lines(authority) == before == lines(follower)
    digests = compare(pair.move)
    assert all(one.equal for one in digests)
    assert [one.source_count for one in digests] == [one.target_count for one in digests]
    assert sum(one.source_count for one in digests) == len(before)
    authority.execute(TOUCH)
    swaps(pair, way)


def test_sums_that_a_spoiled_row_has_left_are_settled(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream has replaced the row since: no row differs, and the way back is shut for good;
    also where rows are made right, and the sums are not.
    """
    authority, follower = parts(pair, Direction.REVERSE)
    around(follower, SPOIL)
    authority.execute(TOUCH)
    with pytest.raises(Diverged):
        rollback(pair.move)
    with monkeypatch.context() as planted:
        planted.setattr(Alignment, "_settle", lambda self, total: None)
        repair(pair.move)
    looked = examine(pair.move)
    assert (looked.rows, "account" in looked.sums) == ((), True)
    with pytest.raises(Diverged):
        rollback(pair.move)
    assert repair(pair.move).rows == ()
    swaps(pair, Direction.REVERSE)


def test_what_the_authority_wrote_uncaptured_is_brought(pair: Pair) -> None:
    """Its rows are the truth however they came to be; and the sums count them."""
    pair.ready()
    around(pair.source, SPOIL)
    pair.source.execute("UPDATE till.account SET balance = 5 WHERE id = 3")
    pair.sync()
    assert "changed" not in {one.kind for one in examine(pair.move).rows if one.table == "account"}
    repair(pair.move)
    counted = {one.table: (one.source_count, one.target_count) for one in compare(pair.move)}
    assert counted["account"] == (50, 50)
    assert counted["note"] == (57, 57)
    swaps(pair, Direction.FORWARD)


def test_unique_values_that_were_swapped_go_back(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between rows of two chunks: chunk by chunk the first would find its value taken."""
    pair.ready()
    around(pair.target, SWAP)
    with monkeypatch.context() as planted:
        planted.setattr(Alignment, "_replace", chunk_by_chunk)
        with pytest.raises(NotReady, match="account_name_key"):
            repair(pair.move, chunk_rows=10)
    assert [one.kind for one in repair(pair.move, chunk_rows=10).rows] == ["changed", "changed"]
    assert pair.same()


def chunk_by_chunk(self: Alignment) -> None:
    for chunk in self.wrong:
        self._drop(chunk)
        self._put(chunk)


def test_a_row_that_stops_the_stream_is_taken_out(pair: Pair) -> None:
    """It has a unique value that the authority has given away: not even a scrub gets through."""
    authority, follower = parts(pair, Direction.REVERSE)
    around(follower, SPOIL)
    around(follower, "UPDATE till.account SET name = 'b' WHERE id = 40")
    authority.execute("INSERT INTO till.account (name) VALUES ('extra'), ('b'), ('c')")
    authority.execute("UPDATE till.account SET balance = 3 WHERE id < 20")
    with pytest.raises(StreamStopped, match="reverse stream is stopped at account"):
        scrub(pair.move)
    before = lines(follower)
    looked = examine(pair.move)
    assert looked.is_stuck
    with pytest.raises(NotReady, match="rows differ"):
        repair(pair.move, most=2)
    assert lines(follower) == before
    named = {(one.table, one.key, one.kind) for one in looked.rows}
    assert {("account", "9001", "extra"), ("account", "40", "changed")} <= named
    assert ("account", "3", "changed") not in named  # the log has it
    made = []
    repair(pair.move, chunk_rows=16, on_mended=made.append)
    assert {one for table in made for one in table.rows} == set(looked.rows)
    swaps(pair, Direction.REVERSE)


def test_under_writes_of_the_application(pair: Pair) -> None:
    """Rows of the same tables come, change and go, and are carried by another applier."""
    way = Direction.REVERSE
    _authority, follower = parts(pair, way)
    around(follower, SPOIL)
    stop, written = threading.Event(), [0]
    follows = Follower(pair.move, way)

    def write() -> None:
        with psycopg.connect(pair.move.target.url, autocommit=True) as session:
            while not stop.wait(0.003):
                written[0] += 1
                session.execute(WRITE, {"n": written[0]})

    threads = [threading.Thread(target=write), threading.Thread(target=follows.run, args=(stop,))]
    for thread in threads:
        thread.start()
    try:
        repair(pair.move, chunk_rows=40)
        assert examine(pair.move).tables == ()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert min(written[0], follows.rows) > 2
    swaps(pair, way)


def test_killed_at_any_point_it_is_said_again(pair: Pair) -> None:
    """A table is right or as it was, with its sums; what was taken out is counted as missing."""
    authority, follower = parts(pair, Direction.REVERSE)
    with running(pair.move, "serve") as process:
        nursery = Nursery(process)
        for point in REPAIR:
            around(follower, SPOIL)
            if point == "repair.unblocked":
                authority.execute("INSERT INTO till.account (name) VALUES ('extra')")
            assert nursery.run("repair", point)[0] == EXIT_CODE, point
            eventually_free(pair)
            assert examine(pair.move).rows, point
            if point == "repair.unblocked":
                with pytest.raises(Diverged, match="account"):
                    rollback(pair.move)
            assert nursery.run("repair")[0] == 0
            pair.sync(Direction.REVERSE)
            assert pair.same(), point
    swaps(pair, Direction.REVERSE)


def eventually_free(pair: Pair) -> None:
    """PostgreSQL has noticed that the process is gone."""
    until = time.monotonic() + 10
    while True:
        try:
            Controller(pair.move).close()
        except Controlled:
            assert time.monotonic() < until
            time.sleep(0.01)
        else:
            return


def test_too_many_differences_are_refused(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else is wrong then; nothing is changed. The bound holds in the transaction that
    makes them right, too, for what has come meanwhile. A look alone leaves everything as it was.
    """
    pair.ready()
    around(pair.target, SPOIL)
    before = kept(pair)
    assert len(examine(pair.move).rows) == SPOILED
    assert kept(pair) == before
    with pytest.raises(NotReady, match="8 rows differ, and no more than 7"):
        repair(pair.move, most=SPOILED - 1)
    assert lines(pair.target) == before[0]
    compare_plainly = Alignment._compare

    def compare_late(self: Alignment, chunk_rows: int) -> Digest:
        self.stream.end.execute("UPDATE till.account SET balance = 9 WHERE id BETWEEN 10 AND 20")
        return compare_plainly(self, chunk_rows)

    with monkeypatch.context() as late:
        late.setattr(Alignment, "_compare", compare_late)
        with pytest.raises(NotReady, match="rows differ"):
            repair(pair.move, most=SPOILED)
    assert lines(pair.target) == before[0]
    assert len(repair(pair.move, most=SPOILED).rows) == SPOILED


def test_what_is_not_copied_yet_is_not_missing(pair: Pair) -> None:
    """It is refused while a copy is under way; where nothing differs its look is a clean scrub."""
    install(pair.move)
    with pytest.raises(NotReady, match="not all copied yet: account, entry, note"):
        repair(pair.move)
    with Backfill(pair.move) as backfill:
        backfill.run(seconds=30)
    assert not next(one for one in preflight(pair.move) if one.name == "scrub").ok
    assert repair(pair.move).tables == ()
    assert all(check.ok for check in preflight(pair.move))


def test_the_authority_is_never_written_to(pair: Pair) -> None:
    """Nor by one who takes the old follower for the follower; nor does it change hands meanwhile:
    neither by the lock of controllers nor by word.
    """
    pair.ready()
    with Controller(pair.move), pytest.raises(Controlled):
        repair(pair.move)
    with Stream(pair.move, Direction.FORWARD) as stream, stream.end.transaction():
        check_follows(stream)
        pair.target.execute("SET lock_timeout = '50ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            pair.target.execute("SELECT till_move.learn('monolith', 99, NULL)")
    cutover(pair.move)
    around(pair.source, SPOIL)
    before = lines(pair.target)
    with Stream(pair.move, Direction.FORWARD) as stream:
        table = stream.appliers[1].table
        with pytest.raises(NotReady, match="does not follow"):
            _made_right(stream, table, lambda _: None, 100, 100)
    assert lines(pair.target) == before
    pair.target.execute("UPDATE till_move.ownership SET mode = 'fenced'")
    with pytest.raises(NotReady, match="heal it first"):
        repair(pair.move)


def test_a_trigger_that_changes_what_is_put_is_seen(pair: Pair) -> None:
    """The rows would not be the authority's: nothing is committed."""
    pair.ready()
    around(pair.target, SPOIL)
    pair.target.execute(
        "CREATE FUNCTION till.twist() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NEW.balance := 1; RETURN NEW; END $$;"
        "CREATE TRIGGER twist BEFORE INSERT ON till.account FOR EACH ROW "
        "EXECUTE FUNCTION till.twist();"
        "ALTER TABLE till.account ENABLE ALWAYS TRIGGER twist"
    )
    before = lines(pair.target)
    with pytest.raises(Diverged, match="account"):
        repair(pair.move)
    assert lines(pair.target) == before
