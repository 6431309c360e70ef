"""The whole way: install, copy, apply, compare, cut over, take back, uninstall."""

from __future__ import annotations

import psycopg
import pytest

from modules.extraction.protocol import (
    Backfill,
    Direction,
    NotInstalled,
    Refusal,
    State,
    StillMoved,
    Unmovable,
    compare,
    cutover,
    heal,
    install,
    ownership,
    refusal,
    release,
    rollback,
    scrub,
    tune,
    uninstall,
)
from tests.extraction.protocol.conftest import Pair

CATALOGUE = """
SELECT 'class', n.nspname || '.' || relname FROM pg_class c JOIN pg_namespace n
  ON n.oid = relnamespace WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')
UNION ALL SELECT 'proc', proname FROM pg_proc WHERE pronamespace <> 'pg_catalog'::regnamespace
UNION ALL SELECT 'schema', nspname FROM pg_namespace
UNION ALL SELECT 'trigger', tgrelid::regclass || tgname FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1, 2
"""


def test_a_module_moves_and_comes_back_with_every_write(pair: Pair) -> None:
    """Writes made before, between and after are on both sides in the end, and nowhere doubled."""
    pair.ready()
    pair.source.execute("UPDATE till.account SET balance = 7 WHERE id <= 10")
    there = cutover(pair.move)
    pair.target.execute("UPDATE till.account SET balance = balance + 1 WHERE id <= 10")
    pair.target.execute("INSERT INTO till.account (name) VALUES ('made there')")
    back = rollback(pair.move)
    pair.source.execute("INSERT INTO till.account (name) VALUES ('made here')")
    assert pair.sync() == 1
    assert (there.epoch, back.epoch) == (1, 2)
    assert pair.same()
    assert all(digest.equal for digest in compare(pair.move))
    total = pair.source.execute("SELECT count(*), sum(balance) FROM till.account").fetchone()
    assert total == (52, 80)


def test_the_side_without_the_module_refuses_writes_with_a_state_of_its_own(pair: Pair) -> None:
    """Before the cutover the service's database refuses, after it the monolith's, then again."""
    pair.ready()
    insert = "INSERT INTO till.note VALUES ('late', '2026-01-01', '')"
    for closed, step in ((pair.target, cutover), (pair.source, rollback), (pair.target, None)):
        with pytest.raises(psycopg.DatabaseError) as caught:
            closed.execute(insert)
        assert refusal(caught.value) is Refusal.MOVED
        if step is not None:
            step(pair.move)


def test_sequences_travel(pair: Pair) -> None:
    """The new authority's next number is above all that the old one has given out."""
    pair.source.execute("SELECT nextval('till.entry_id_seq') FROM generate_series(1, 1000)")
    pair.ready()
    cutover(pair.move)
    pair.target.execute("INSERT INTO till.entry (account_id, amount) VALUES (1, 1)")
    assert pair.target.execute("SELECT max(id) FROM till.entry").fetchone() == (1201,)
    rollback(pair.move)
    pair.source.execute("INSERT INTO till.entry (account_id, amount) VALUES (1, 1)")
    assert pair.source.execute("SELECT max(id) FROM till.entry").fetchone() == (1202,)


def test_uninstall_leaves_no_trace(pair: Pair) -> None:
    """Both catalogues are then as they were before."""
    before = [one.execute(CATALOGUE).fetchall() for one in (pair.source, pair.target)]
    pair.ready()
    cutover(pair.move)
    with pytest.raises(StillMoved):
        uninstall(pair.move)
    rollback(pair.move)
    uninstall(pair.move)
    uninstall(pair.move)
    assert [one.execute(CATALOGUE).fetchall() for one in (pair.source, pair.target)] == before
    with pytest.raises(NotInstalled):
        ownership(pair.move.source)
    assert heal(pair.move).found is State.NOT_INSTALLED


def test_a_retired_module_is_free_in_the_service_and_guarded_in_the_monolith(pair: Pair) -> None:
    """Nothing slows the service any more; whoever still writes to the old copy is refused."""
    pair.ready()
    with pytest.raises(StillMoved):
        release(pair.move)
    cutover(pair.move)
    release(pair.move)
    pair.target.execute("TRUNCATE till.note")
    with pytest.raises(psycopg.DatabaseError) as caught:
        pair.source.execute("DELETE FROM till.note")
    assert refusal(caught.value) is Refusal.MOVED


def test_a_copy_resumes_after_every_step_and_repeats_nothing(pair: Pair) -> None:
    """Each step by a new process, while rows are changed, moved, added and removed under it."""
    install(pair.move)
    tune(pair.move, chunk_rows=40)
    finished, steps = False, 0
    while not finished:
        with Backfill(pair.move) as backfill:
            finished = backfill.step().finished
        steps += 1
        pair.source.execute("UPDATE till.account SET balance = balance + 1 WHERE id % 3 = 0")
        pair.source.execute(
            "UPDATE till.note SET day = day + 9999 WHERE (kind, day) = "
            "(SELECT kind, day FROM till.note ORDER BY md5(%s || day::text) LIMIT 1)",
            [str(steps)],
        )
        pair.source.execute("DELETE FROM till.entry WHERE id = %s", [steps * 11])
        pair.source.execute("INSERT INTO till.entry (account_id, amount) VALUES (1, %s)", [steps])
    assert steps > 8
    pair.sync()
    assert pair.same()
    assert all(digest.equal for digest in compare(pair.move))
    assert scrub(pair.move, chunk_rows=30).count == 0


def test_progress_knows_how_much_there_is(pair: Pair) -> None:
    """By PostgreSQL's estimate, of plain and of partitioned tables: an ETA is made of it."""
    install(pair.move)
    tune(pair.move, chunk_rows=10)
    pair.source.execute("ANALYZE till.account, till.entry, till.note")
    for table in ("account", "entry", "note"):
        (rows,) = pair.source.execute(f"SELECT count(*) FROM till.{table}").fetchone() or (0,)  # noqa: S608
        with Backfill(pair.move) as backfill:
            while (progress := backfill.step()).table == table:
                pass
        copied = "SELECT total FROM till_move.backfill WHERE name = %s"
        assert pair.target.execute(copied, [table]).fetchone() == (rows,)
    assert progress.total_rows >= progress.done_rows > 0


def test_tables_that_cannot_be_captured_are_named_with_their_reason(pair: Pair) -> None:
    """No key, a key whose text depends on the session, another structure on the other side."""
    pair.source.execute(
        "CREATE TABLE till.loose (a int); CREATE TABLE till.timed (at timestamptz PRIMARY KEY)"
    )
    pair.target.execute(
        "CREATE TABLE till.loose (a int); CREATE TABLE till.timed (at timestamptz PRIMARY KEY)"
    )
    move = pair.move.__class__("till", pair.move.source, pair.move.target, ("loose", "timed"))
    with pytest.raises(Unmovable) as caught:
        install(move)
    assert "no primary key" in caught.value.reasons[0]
    assert "timestamp with time zone" in caught.value.reasons[1]
    pair.target.execute("ALTER TABLE till.account ADD extra text")
    with pytest.raises(Unmovable, match="account differs in its columns"):
        install(pair.move)


def test_reverse_changes_are_not_echoed(pair: Pair) -> None:
    """What a stream writes does not come back by the other."""
    pair.ready()
    cutover(pair.move)
    pair.target.execute("UPDATE till.account SET balance = 1")
    assert pair.sync(Direction.REVERSE) == 50
    assert pair.sync(Direction.FORWARD) == 0
    assert pair.same()
