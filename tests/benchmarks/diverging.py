"""One row among a million that differs: what finds it, and how long writes wait meanwhile."""

from __future__ import annotations

import time

import psycopg

from modules.extraction.protocol import Backfill, Diverged, Move, compare, cutover, install, scrub
from tests.benchmarks.figures import say, timed
from tests.extraction.protocol.spoiling import around

ROWS = "INSERT INTO till.account (name) SELECT 'a' || n FROM generate_series(1, %s) n"
SPOIL = "UPDATE till.account SET balance = balance + 1 WHERE id = {id}"
TOUCH = "UPDATE till.account SET name = 'touched' WHERE id = %s"
INSERT = "INSERT INTO till.note VALUES (gen_random_uuid()::text, '2026-01-01', '')"


def divergence(move: Move, rows: int) -> None:
    """``rows`` are copied, then one of the service's is changed around the triggers.

    As long as nobody touches it, only reading all rows can see that: the scrub, without which there
    is no cutover. Once the application has changed it, the sums differ of what the monolith says it
    has sent and what that has done there: a cutover sees it behind its fence, and calls itself off.
    Raises AssertionError when it is not found.
    """
    with (
        psycopg.connect(move.source.url, autocommit=True) as source,
        psycopg.connect(move.target.url, autocommit=True) as target,
    ):
        source.execute(ROWS, [rows])
        install(move)
        with Backfill(move) as backfill:
            backfill.run()
        assert scrub(move).count == 0
        around(target, SPOIL.format(id=rows // 2))
        assert all(digest.equal for digest in compare(move))
        with timed() as took:
            found = scrub(move).count
        assert found == 1
        say(f"out of band: found by the scrub of {rows:,} rows, seconds", f"{took():.2f}")
        source.execute(TOUCH, [rows // 2])
        waited = _called_off(move, source)
        say("touched by the application: found in the pause, of ms", f"{waited:.1f}")


def _called_off(move: Move, source: psycopg.Connection) -> float:
    """Milliseconds from the fence to the first write that the monolith takes again."""
    fenced: list[float] = []

    def watch(step: str) -> None:
        if step == "fenced":
            fenced.append(time.perf_counter())

    try:
        cutover(move, checked=False, watch=watch)
    except Diverged:
        source.execute(INSERT)
        return (time.perf_counter() - fenced[0]) * 1000
    raise AssertionError("a cutover has passed over a row that differs")
