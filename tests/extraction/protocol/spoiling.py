"""Rows that are written around the triggers, for tests of who finds them and makes them right."""

from __future__ import annotations

import psycopg

from modules.extraction.protocol import Direction, compare, cutover, preflight, rollback, scrub
from tests.extraction.protocol.conftest import Pair

# Changed, missing and extra: plain, in a partition, with a key of two columns, with json.
SPOIL = """
UPDATE till.account SET balance = 999 WHERE id = 3;
DELETE FROM till.account WHERE id = 4;
INSERT INTO till.account (id, name) VALUES (9001, 'extra');
UPDATE till.entry SET body = '{"a":  1}', took = '1 day' WHERE id = 10;
INSERT INTO till.entry (id, account_id, amount) OVERRIDING SYSTEM VALUE VALUES (1000007, 1, 5);
DELETE FROM till.note WHERE text = 'x' AND kind = 'k1' AND day < '2020-01-20';
"""
SPOILED = 8  # rows


def around(session: psycopg.Connection, statements: str) -> None:
    """As somebody would who has ``ficus.applier`` set: no guard, no capture, no foreign keys."""
    session.execute("SET session_replication_role = replica")
    session.execute("SELECT set_config('ficus.applier', 'till', false)")
    session.execute(statements)
    session.execute("SET session_replication_role = origin")
    session.execute("SELECT set_config('ficus.applier', '', false)")


def parts(pair: Pair, way: Direction) -> tuple[psycopg.Connection, psycopg.Connection]:
    """The authority's session and the follower's, when ``way`` is the one that is carried."""
    pair.ready()
    if way is Direction.FORWARD:
        return pair.source, pair.target
    cutover(pair.move)
    return pair.target, pair.source


def swaps(pair: Pair, way: Direction) -> None:
    """There if it is here, back, and every row is on both sides."""
    if way is Direction.FORWARD:
        assert scrub(pair.move).count == 0
        assert all(check.ok for check in preflight(pair.move))
        cutover(pair.move)
    rollback(pair.move)
    pair.sync()
    assert pair.same()
    assert all(one.equal for one in compare(pair.move))
