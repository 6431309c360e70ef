"""What drills have found in the protocol."""

from __future__ import annotations

import psycopg
import pytest

from modules.extraction.protocol import Direction, Stream
from modules.extraction.protocol.draining import catch_up
from tests.extraction.protocol.conftest import Pair
from tests.extraction.protocol.conftest import pair as pair
from tests.extraction.protocol.conftest import urls as urls


def test_an_applier_stopped_in_its_transaction_does_not_keep_a_swap_for_ever(pair: Pair) -> None:
    """It holds the position's row. Before the fence, so writers go on; and it is said in time."""
    pair.copy()
    pair.source.execute("UPDATE till.account SET balance = balance + 1")
    with (
        psycopg.connect(pair.move.target.url) as stopped,
        Stream(pair.move, Direction.FORWARD) as stream,
    ):
        stopped.execute("SELECT FROM till_move.stream WHERE name = 'forward' FOR UPDATE")
        with pytest.raises(TimeoutError, match="held by another applier"):
            catch_up(stream, seconds=0.2)
        stopped.rollback()
        assert catch_up(stream) >= 50
