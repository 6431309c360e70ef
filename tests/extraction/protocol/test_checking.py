"""What a cutover looks for before it tries a fence, and what it does not mind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import psycopg

from modules.extraction.protocol import cutover, preflight
from tests.extraction.protocol.conftest import Pair
from tests.waiting import eventually

PAGES = "INSERT INTO till.account (name) SELECT 'page of ' || n FROM generate_series(1, 5000) n"
SLOWLY = "SET vacuum_cost_delay = 100; SET vacuum_cost_limit = 1"  # ms after each page
INDEX_LOCKED = """
SELECT FROM pg_stat_activity a JOIN pg_locks l USING (pid)
WHERE pid = %s AND l.relation = 'till.account_pkey'::regclass AND l.mode = 'RowExclusiveLock'
  AND a.xact_start < clock_timestamp() - interval '60 ms'
"""


def test_a_vacuum_does_not_stand_in_the_way(pair: Pair) -> None:
    """That of a big table takes hours. It locks indexes as a writer does, and keeps nobody out."""
    pair.source.execute(PAGES)
    pair.ready()
    with vacuuming(pair) as pid:
        eventually(partial(is_at_it, pair, pid), within=10, what="a vacuum that lasts")
        assert [check.name for check in preflight(pair.move) if not check.ok] == []
        assert cutover(pair.move).epoch == 1
        assert is_at_it(pair, pid)


@contextmanager
def vacuuming(pair: Pair) -> Iterator[int]:
    """The id of a process that does it as long as the block lasts."""
    session = psycopg.connect(pair.move.source.url, autocommit=True)
    try:
        session.execute(SLOWLY)
        session.pgconn.send_query(b"VACUUM till.account")
        yield session.info.backend_pid
    finally:
        session.cancel_safe()
        session.close()


def is_at_it(pair: Pair, pid: int) -> bool:
    """Whether it has locked the indexes, and for longer than a transaction may be open."""
    return pair.source.execute(INDEX_LOCKED, [pid]).rowcount > 0
