"""Traps of capture and of the log: each test fails when its counter-measure is taken away, and
shows so with the fault planted.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg import sql

from modules.extraction.protocol import (
    Direction,
    Refusal,
    Stream,
    StreamStopped,
    compare,
    install,
    refusal,
    scrub,
)
from modules.extraction.protocol.rotating import rotate
from modules.extraction.protocol.tables import SEEDS
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.planting import plant

planted = pytest.mark.parametrize("faulty", [False, True], ids=["", "planted"])


def equal(pair: Pair) -> bool:
    """As the sums have it."""
    return all(digest.equal for digest in compare(pair.move))


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
        with pytest.raises(StreamStopped, match="out of range"):
            pair.sync()
        return
    pair.sync()
    assert equal(pair)
    assert pair.same()


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
