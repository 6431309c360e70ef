"""Traps of the position: what two appliers of one stream must not do to each other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest

from modules.extraction.protocol import (
    Backfill,
    Direction,
    StalePosition,
    Stream,
    install,
    reading,
    tune,
)
from modules.extraction.protocol.applying import Applier
from modules.extraction.protocol.reading import Batch, Change
from modules.extraction.protocol.sides import Connection
from modules.extraction.protocol.streams import Reached
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.test_log_traps import SWAPS, equal, planted

UNGUARDED = """
CREATE OR REPLACE FUNCTION till_move.advance(
    of_stream text, from_position text, to_position text, of_rows bigint
) RETURNS void LANGUAGE sql AS $$
    UPDATE till_move.stream SET position = $3 WHERE name = $1 AND position = $2
$$
"""


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


def test_a_second_applier_is_refused_between_two_tries_of_the_first(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that was refused as a whole is brought statement by statement; in between it holds
    nothing, and another may be quicker.
    """
    pair.copy()
    pair.source.execute(SWAPS["swap"])
    with (
        Stream(pair.move, Direction.FORWARD) as slow,
        Stream(pair.move, Direction.FORWARD) as quick,
    ):
        slow.standing()
        send, tries = slow._send, []

        def late(batch: Batch, bring: Callable[[Applier, Connection, Change], None]) -> Reached:
            tries.append(bring)
            if bring is Applier.apply:
                assert quick.apply_once().rows > 0
            return send(batch, bring)

        monkeypatch.setattr(slow, "_send", late)
        with pytest.raises(StalePosition):
            slow.apply_once()
    assert tries == [Applier.send, Applier.apply]
    assert equal(pair)
    assert pair.same()


@planted
def test_who_comes_late_does_not_turn_sequences_back(pair: Pair, faulty: bool) -> None:
    """An applier that was stopped with a fence's batch goes on when the new side has drawn numbers
    already. All of a batch is sent at once: what comes behind a position that is refused, and above
    all ``setval``, which no rollback takes back, must not be done.
    """
    pair.copy()
    pair.source.execute("INSERT INTO till.entry (account_id, amount, body) VALUES (1, 2, '{}')")
    pair.source.execute("SELECT till_move.fence('1 hour')")
    with (
        Stream(pair.move, Direction.FORWARD) as one,
        Stream(pair.move, Direction.FORWARD) as other,
    ):
        position, copied = other.standing()
        batch = reading.read_batch(other.origin, other.origin_side, position, copied, limit=None)
        one.apply_once()
        assert one.reached == (batch.marker, True)
        drawn = [_draws(pair) for _ in range(3)]
        if faulty:
            pair.target.execute(UNGUARDED)
        stale = nullcontext() if faulty else pytest.raises(StalePosition)
        with stale, other.end.transaction():
            other.apply(batch)
    assert (_draws(pair) in drawn) is faulty


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


def _draws(pair: Pair) -> int:
    """The service's next number of an entry."""
    (number,) = pair.target.execute("SELECT nextval('till.entry_id_seq')").fetchone() or (0,)
    return int(number)
