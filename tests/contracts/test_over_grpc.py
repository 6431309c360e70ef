"""The way over gRPC itself: that harm is really done."""

from __future__ import annotations

import pytest

from modules.platform.binding import use
from tests.contracts.between import Fault
from tests.contracts.hosted import Hosted
from tests.contracts.over_grpc import OverGrpc
from tests.platform.rpc.desk import KEEP, NOTE, Clerk, Desk, Note


def test_over_grpc_answers_are_lost_late_and_cut_off(host: Hosted) -> None:
    """A command whose answer is lost is done twice, and its caller does not notice."""
    clerk, way = Clerk(), OverGrpc(host)
    with way(Desk, clerk):
        for _ in range(3):
            assert use(Desk).keep(KEEP) == NOTE
        assert way.relay is not None
        done = [Fault.LOSE, Fault.DELAY, Fault.NONE, Fault.CUT, Fault.DELAY]
        assert way.relay.seen == done
    assert clerk.given == [KEEP] * 4


def test_a_command_that_is_not_idempotent_is_found_out(host: Hosted) -> None:
    """What counts each request twice passes in one process, and does not pass here."""

    class Careless(Clerk):
        def keep(self, command: object) -> Note:
            if self.given:
                raise AssertionError("done already")
            return super().keep(command)  # type: ignore[arg-type]

    with OverGrpc(host)(Desk, Careless()), pytest.raises(Exception, match="desk failed"):
        use(Desk).keep(KEEP)
