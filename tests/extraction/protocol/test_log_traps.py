"""Traps of capture and replication: each test fails when its counter-measure is taken away, and
shows so with the fault planted.
"""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from modules.extraction.protocol import (
    Backfill,
    Direction,
    Stream,
    StreamStopped,
    compare,
    install,
    reading,
    scrub,
    tune,
)
from modules.extraction.protocol.applying import Applier
from modules.extraction.protocol.tables import Table
from tests.extraction.protocol.conftest import Pair

BY_NUMBER = """
CREATE OR REPLACE FUNCTION till_move.unseen(base pg_snapshot) RETURNS SETOF till_move.log
LANGUAGE sql STABLE AS $$ SELECT * FROM till_move.log WHERE id > coalesce(
    (SELECT max(id) FROM till_move.log WHERE pg_visible_in_snapshot(xid, base)), 0) $$
"""
planted = pytest.mark.parametrize("faulty", [False, True], ids=["", "planted"])


def equal(pair: Pair) -> bool:
    """As the sums have it."""
    return all(digest.equal for digest in compare(pair.move))


@planted
def test_who_commits_late_with_a_low_number_is_not_lost(pair: Pair, faulty: bool) -> None:
    """A cursor over the log's numbers would be past it already."""
    pair.copy()
    if faulty:
        pair.source.execute(BY_NUMBER)
    with psycopg.connect(pair.move.source.url) as late:
        late.execute("INSERT INTO till.account (name) VALUES ('late')")
        pair.source.execute("INSERT INTO till.account (name) VALUES ('early')")
        assert pair.sync() == 1
        late.commit()
    assert pair.sync() == (0 if faulty else 1)
    assert pair.same() is not faulty


@planted
def test_two_updates_of_a_row_keep_their_order(
    pair: Pair, faulty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that began first may be the one that changed the row last."""
    pair.copy()
    if faulty:
        by_xid = reading._READ.replace("tab, key, id DESC", "tab, key, xid DESC")
        monkeypatch.setattr(reading, "_READ", by_xid)
    with psycopg.connect(pair.move.source.url) as first:
        first.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
        pair.source.execute("UPDATE till.account SET balance = 20 WHERE id = 2")
        first.execute("UPDATE till.account SET balance = 30 WHERE id = 2")
    pair.sync()
    assert pair.same() is not faulty
    assert equal(pair) is not faulty


@planted
def test_a_chunk_ends_at_its_last_key_not_at_its_last_text(
    pair: Pair, faulty: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ORDER BY id would take the output column id::text, in which 99 is the last of 1 to 200."""
    if faulty:
        monkeypatch.setattr(
            Table,
            "ordered_key_parts",
            lambda self, of: tuple(sql.SQL("{}").format(sql.Identifier(c.name)) for c in self.key),
        )
    install(pair.move)
    tune(pair.move, chunk_rows=40)
    with Backfill(pair.move) as backfill:
        backfill.run(seconds=20)
    assert pair.same() is not faulty


SWAPS = {
    "swap": "UPDATE till.account SET name = 'x' WHERE id = 1;"
    "UPDATE till.account SET name = 'a1' WHERE id = 2; UPDATE till.account SET name = 'a2' "
    "WHERE id = 1",
    "ring": "UPDATE till.account SET name = 'x' WHERE id = 11; DO $$ BEGIN FOR n IN 12..18 LOOP "
    "UPDATE till.account SET name = 'a' || n - 1 WHERE id = n; END LOOP; END $$;"
    "UPDATE till.account SET name = 'a18' WHERE id = 11",
    "taken over": "DELETE FROM till.entry WHERE account_id = 30; DELETE FROM till.account "
    "WHERE id = 30; INSERT INTO till.account (name) VALUES ('a30')",
}


def test_unique_values_that_change_hands_within_a_batch(pair: Pair) -> None:
    """The fold leaves out the step between: the rows are taken out and put back."""
    pair.copy()
    for how, changes in SWAPS.items():
        pair.source.execute(changes)
        pair.sync()
        assert pair.same(), how
        assert equal(pair), how


def test_without_the_way_out_a_swap_would_stop_the_stream(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order of updates leads there: the plain upsert fails each time."""
    pair.copy()
    plainly = lambda one, session, images, claim: one._run(session, one._put_all, images, claim)  # noqa: E731
    monkeypatch.setattr(Applier, "_put_surely", plainly)
    pair.source.execute(SWAPS["swap"])
    with pytest.raises(StreamStopped, match="duplicate key"):
        pair.sync()


@pytest.mark.parametrize("has_old", [True, False], ids=["18", "15-17"])
def test_actual_sums_with_and_without_returning_old(pair: Pair, has_old: bool) -> None:
    """Inserted, changed, moved, deleted, and inserted again in one batch."""
    pair.copy()
    pair.source.execute(SWAPS["swap"])
    pair.source.execute(
        "UPDATE till.account SET balance = balance + 1; DELETE FROM till.note WHERE kind = 'k1';"
        "UPDATE till.note SET day = day + 5000 WHERE kind = 'k2';"
        "INSERT INTO till.note VALUES ('k1', '2020-01-02', 'again');"
        "INSERT INTO till.entry (account_id, amount, body) VALUES (1, 2, '{\"a\":  1}');"
        "DELETE FROM till.entry WHERE id < 20"
    )
    with Stream(pair.move, Direction.FORWARD, has_old=has_old) as stream:
        stream.apply_once()
    assert equal(pair)
    assert pair.same()
    assert scrub(pair.move).count == 0


def test_a_batch_in_pieces_is_the_same_batch(pair: Pair) -> None:
    """More may wait than one batch takes; what commits meanwhile comes after it."""
    pair.copy()
    pair.source.execute("UPDATE till.account SET balance = 1")
    pieces = []
    with Stream(pair.move, Direction.FORWARD) as stream:
        while (applied := stream.apply_once(limit=7)).rows:
            pieces.append(applied.lag_rows)
            if len(pieces) == 3:
                pair.source.execute("UPDATE till.account SET balance = 2 WHERE id < 5")
    assert pieces == [43, 36, 29, 22, 15, 8, 1, 4, 0]
    assert pair.same()
    assert equal(pair)


def test_a_batch_whose_last_piece_is_full_goes_on(pair: Pair) -> None:
    """There is nothing behind it then, and what comes later must not wait for ever."""
    pair.copy()
    with Stream(pair.move, Direction.FORWARD) as stream:
        for limit in (10, 25, 50):
            pair.source.execute("UPDATE till.account SET balance = 1")
            for _piece in range(50 // limit):
                assert stream.apply_once(limit=limit).rows == limit
            pair.source.execute("UPDATE till.account SET balance = 2 WHERE id = 1")
            assert stream.apply_once(limit=limit).lag_rows == 1
            assert stream.apply_once(limit=limit).rows == 1
    assert pair.same()


def test_a_chunk_after_half_a_batch_is_exact(pair: Pair) -> None:
    """The rest of the batch is of an older snapshot than the chunk's."""
    install(pair.move)
    tune(pair.move, chunk_rows=20)
    with Backfill(pair.move) as backfill, Stream(pair.move, Direction.FORWARD) as stream:
        backfill.step()
        pair.source.execute("UPDATE till.account SET balance = balance + 1")
        stream.apply_once(limit=7)
        pair.source.execute("UPDATE till.account SET balance = balance + 1")
        with backfill.stream.at_one_moment():
            pass
        position, _copied = backfill.stream.standing()
        assert position.upto is None
        backfill.run(seconds=20)
    pair.sync()
    assert equal(pair)
    assert pair.same()
