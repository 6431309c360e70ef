"""Traps of capture and replication: each test fails when its counter-measure is taken away, and
shows so with the fault planted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from modules.extraction.protocol import (
    Backfill,
    Direction,
    Refusal,
    StalePosition,
    Stream,
    compare,
    install,
    reading,
    refusal,
    scrub,
    tune,
)
from modules.extraction.protocol.applying import Applier
from modules.extraction.protocol.rotating import rotate
from modules.extraction.protocol.tables import SEEDS, Table
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.planting import plant

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
def test_numbers_are_not_drawn_ahead(pair: Pair, faulty: bool) -> None:
    """With a cached sequence a session numbers its update of a row before another's earlier one."""
    pair.copy()
    if faulty:
        pair.source.execute("ALTER SEQUENCE till_move.log_id CACHE 50")
    with psycopg.connect(pair.move.source.url, autocommit=True) as other:
        pair.source.execute("UPDATE till.account SET balance = 1 WHERE id = 1")
        other.execute("UPDATE till.account SET balance = 20 WHERE id = 2")
        pair.source.execute("UPDATE till.account SET balance = 30 WHERE id = 2")
    pair.sync()
    assert pair.same() is not faulty


# Two accounts that can swap their balances unseen by a sum of hash_record_extended.
BLIND = """
WITH swapped AS (
    SELECT a.id AS one, b.id AS other, s.seed,
           hash_record_extended(a, s.seed)::numeric + hash_record_extended(b, s.seed) AS before,
           hash_record_extended(ROW(a.id, a.name, b.balance, a.opened), s.seed)::numeric
           + hash_record_extended(ROW(b.id, b.name, a.balance, b.opened), s.seed) AS after
    FROM till.account a JOIN till.account b ON a.id < b.id
    CROSS JOIN unnest(%s::bigint[]) s (seed)
)
SELECT one, other FROM swapped GROUP BY 1, 2 HAVING bool_and(before = after) LIMIT 1
"""


def plainly(row: str, seed: int) -> sql.Composed:
    """The hash as it would be without its second round."""
    return sql.SQL("hash_record_extended({}, {})").format(sql.SQL(row), sql.Literal(seed))


@planted
def test_two_rows_that_swap_a_value_are_seen(pair: Pair, faulty: bool) -> None:
    """hash_record combines columns linearly: a plain sum of it stays the same."""
    pair.source.execute("UPDATE till.account SET balance = id * id")
    swap = pair.source.execute(BLIND, [list(SEEDS)]).fetchone()
    assert swap is not None
    pair.copy()
    pair.target.execute("SET session_replication_role = replica; SET ficus.applier = 'till'")
    pair.target.execute(
        "UPDATE till.account a SET balance = b.balance FROM till.account b "
        "WHERE a.id = ANY (%(two)s) AND b.id = ANY (%(two)s) AND a.id <> b.id",
        {"two": list(swap)},
    )
    if faulty:
        whole = sql.SQL("SELECT sum({}), sum({}) FROM till.account t").format(
            *(plainly("t", seed) for seed in SEEDS)
        )
        ours, theirs = (one.execute(whole).fetchone() for one in (pair.source, pair.target))
        assert ours == theirs
        return
    assert scrub(pair.move).count == 2


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


HASTY = (
    "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET extra_float_digits = -9"
)
CHANGES = """
INSERT INTO till.entry (account_id, amount, rate, took)
VALUES (1, 1, 0.1234567890123456, '1 day -02:03:04');
INSERT INTO till.note VALUES ('dmy', '2026-02-03', ''), ('dmy', '2026-12-11', '');
UPDATE till.note SET day = '2026-05-06' WHERE day = '2026-12-11';
UPDATE till.account SET opened = '2026-04-05 06:07:08.123456+09' WHERE id = 1;
"""


@planted
def test_a_writers_own_settings_change_nothing(pair: Pair, faulty: bool) -> None:
    """Dates, intervals and floats of a session with other habits arrive as they are."""
    pair.copy()
    if faulty:
        for number in (1, 2, 3):
            plant(pair.source, f"capture_{number}", "is_plain := ", "is_plain := true OR ")
    pair.source.execute(HASTY)
    pair.source.execute("SET TimeZone = 'Asia/Kathmandu'")
    pair.source.execute(CHANGES)
    pair.source.execute("RESET ALL")
    if faulty:
        with pytest.raises(psycopg.errors.DatetimeFieldOverflow):
            pair.sync()
        return
    pair.sync()
    assert equal(pair)
    assert pair.same()


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
    monkeypatch.setattr(Applier, "_put_all", Applier._upsert)
    pair.source.execute(SWAPS["swap"])
    with pytest.raises(psycopg.errors.UniqueViolation):
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


def test_a_second_applier_is_refused(pair: Pair) -> None:
    """Both have read the same batch; it is applied once."""
    pair.copy()
    pair.source.execute("UPDATE till.account SET balance = balance + 1")
    with (
        Stream(pair.move, Direction.FORWARD) as one,
        Stream(pair.move, Direction.FORWARD) as other,
    ):
        position, copied = other.standing()
        batch = reading.read_batch(other.origin, other.origin_side, position, copied, limit=None)
        assert one.apply_once().rows == 50
        with pytest.raises(StalePosition), other.end.transaction():
            other.apply(batch)
    assert equal(pair)


def test_truncate_is_refused_and_dropping_a_partition_too(pair: Pair) -> None:
    """Neither can be seen row by row, so neither may happen while a module moves."""
    install(pair.move)
    for statement in ("TRUNCATE till.note", "TRUNCATE till.entry_1"):
        with pytest.raises(psycopg.DatabaseError) as caught:
            pair.source.execute(statement)
        assert refusal(caught.value) is Refusal.TRUNCATE
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        pair.source.execute("DROP TABLE till.entry_2")


WAYS: dict[str, Callable[[psycopg.Connection], object]] = {
    "replication mode": lambda s: s.execute(
        "SET session_replication_role = replica; UPDATE till.account SET balance = 9"
    ),
    "a partition by its own name": lambda s: s.execute("DELETE FROM till.entry_1 WHERE id < 50"),
    "a cascade": lambda s: s.execute("DELETE FROM till.account WHERE id = 7"),
    "MERGE": lambda s: s.execute(
        "MERGE INTO till.note n USING (VALUES ('k1', date '2020-01-02'), ('k9', '2020-01-03')) v "
        "(kind, day) ON n.kind = v.kind AND n.day = v.day "
        "WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.kind, v.day, 'new')"
    ),
    "COPY": lambda s: _copy_in(s),
}


def _copy_in(session: psycopg.Connection) -> None:
    with session.cursor().copy("COPY till.note FROM STDIN") as copy:
        for day in range(1, 10):
            copy.write_row(("copied", f"2026-01-0{day}", None))


def test_every_way_of_writing_is_captured(pair: Pair) -> None:
    """Signals of an ORM would miss most of them."""
    cascade = (
        "ALTER TABLE till.entry DROP CONSTRAINT entry_account_id_fkey, ADD FOREIGN KEY "
        "(account_id) REFERENCES till.account ON DELETE CASCADE"
    )
    pair.source.execute(cascade)
    pair.copy()
    for name, way in WAYS.items():
        way(pair.source)
        pair.source.execute("RESET ALL")
        assert pair.sync() > 0, name
        assert pair.same(), name
        assert equal(pair), name


def test_an_applied_half_of_the_log_is_emptied(pair: Pair) -> None:
    """And only when all of it is applied and nobody is still writing there."""
    pair.copy()
    jump = "SELECT setval('till_move.log_id', %s)"
    pair.source.execute("UPDATE till.account SET balance = 1")
    with Stream(pair.move, Direction.FORWARD) as stream:
        pair.source.execute(jump, [1 << 20])
        assert not rotate(stream)
        stream.apply_once()
        with psycopg.connect(pair.move.source.url) as busy:
            pair.source.execute(jump, [(2 << 20) - 2])
            busy.execute("UPDATE till.account SET balance = 3 WHERE id = 9")
            pair.source.execute(jump, [2 << 20])
            assert not rotate(stream)
        stream.apply_once()
        assert rotate(stream)
        pair.source.execute(jump, [3 << 20])
        assert rotate(stream)
        assert pair.source.execute("SELECT count(*) FROM till_move.log").fetchone() == (0,)
        pair.source.execute("UPDATE till.account SET balance = 4")
        assert stream.apply_once().rows == 50
    assert pair.same()


@planted
def test_a_chunk_that_came_meanwhile_is_not_overlooked(pair: Pair, faulty: bool) -> None:
    """In a quiet database two snapshots are the same text: an applier that looked before a chunk
    was copied would skip a change of that chunk's rows. The position's turn tells them apart.
    """
    install(pair.move)
    tune(pair.move, chunk_rows=20)
    with Backfill(pair.move) as backfill, Stream(pair.move, Direction.FORWARD) as stream:
        backfill.step()
        assert stream.apply_once().rows == 0
        position, _copied = stream.standing()
        backfill.step()
        # The tests' two databases are on one server and count the same transactions: so the quiet
        # is made here.
        turn = position.turn if faulty else backfill.stream.standing()[0].turn
        pair.target.execute(
            "UPDATE till_move.stream SET position = %s", [str(replace(position, turn=turn))]
        )
        pair.source.execute("UPDATE till.account SET balance = 1 WHERE id = 30")
        try:
            assert stream.apply_once().rows == 1
            assert faulty
        except StalePosition:
            assert not faulty
        backfill.run(seconds=20)
    pair.sync()
    assert pair.same() is not faulty
