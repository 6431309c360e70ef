"""Before its fence a swap says once what it will say behind it."""

from __future__ import annotations

from typing import Any

from modules.extraction.protocol import Direction, Stream
from modules.extraction.protocol.draining import rehearse
from tests.extraction.protocol.conftest import Pair

STANDS = """
SELECT (SELECT jsonb_agg(to_jsonb(s) - 'changed_at' ORDER BY name) FROM till_move.stream s),
       (SELECT jsonb_agg(to_jsonb(s) ORDER BY stream, tab) FROM till_move.sums s)
"""
PREPARED = """
SELECT statement, custom_plans FROM pg_prepared_statements WHERE statement ~ 'till' ORDER BY 1
"""
CHANGES = """
UPDATE till.account SET balance = 7; INSERT INTO till.entry (account_id, amount) VALUES (1, 7);
DELETE FROM till.note
"""


def stands(pair: Pair) -> Any:
    return pair.target.execute(STANDS).fetchone()


def test_a_rehearsal_changes_nothing(pair: Pair) -> None:
    """Neither rows nor sums nor the position nor the marker of the last fence."""
    pair.ready()
    before = stands(pair)
    with Stream(pair.move, Direction.FORWARD) as stream:
        rehearse(stream)
        assert stream.reached == (None, False)
    assert stands(pair) == before
    assert pair.same()


def test_what_was_rehearsed_is_not_planned_again(pair: Pair) -> None:
    """Nothing that brings a change, to whatever table, is said for the first time then."""
    pair.ready()
    with Stream(pair.move, Direction.FORWARD) as stream:
        rehearse(stream)
        known = stream.end.execute(PREPARED).fetchall()
        for table in ("account", "entry", "note"):
            assert any(f'"{table}"' in statement for statement, _custom in known)
        pair.source.execute(CHANGES)
        stream.apply_once()
        assert stream.end.execute(PREPARED).fetchall() == known
        assert {custom for _statement, custom in known} == {0}
    assert pair.same()
