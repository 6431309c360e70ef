"""The ways themselves: that they lead to the implementation, and that harm is really done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modules.platform.binding import use
from tests.contracts.between import Fault
from tests.contracts.hosted import Hosted
from tests.contracts.ways import OverHttp, Way
from tests.platform.rpc.desk import ID, KEEP, NOTE, Clerk, Desk, Note


@pytest.fixture
def over_http(host: Hosted) -> Iterator[OverHttp]:
    way = OverHttp(host)
    yield way
    way.close()


def test_every_way_leads_to_the_implementation(way: Way) -> None:
    """With the same arguments, to the same answer."""
    clerk = Clerk()
    with way(Desk, clerk):
        assert use(Desk).keep(KEEP) == NOTE
        assert use(Desk).notes(ids=(ID,), limit=1) == (NOTE,)
    assert clerk.given[0] == KEEP
    assert clerk.given[-1] == ((ID,), 1)


def test_over_http_answers_are_lost_doubled_and_late(over_http: OverHttp) -> None:
    """The first command is done twice, and its caller does not notice."""
    clerk = Clerk()
    with over_http(Desk, clerk):
        for _ in range(3):
            assert use(Desk).keep(KEEP) == NOTE
    assert over_http.relay.seen == [
        (Fault.LOSE, (200,)),
        (Fault.TWICE, (200, 401)),
        (Fault.DELAY, (200,)),
        (Fault.LOSE, (200,)),
        (Fault.TWICE, (200, 401)),
    ]
    assert clerk.given == [KEEP] * 5


def test_a_command_that_is_not_idempotent_is_found_out(over_http: OverHttp) -> None:
    """What counts each request twice passes in one process, and does not pass here."""

    class Careless(Clerk):
        def keep(self, command: object) -> Note:
            if self.given:
                raise AssertionError("done already")
            return super().keep(command)  # type: ignore[arg-type]

    with over_http(Desk, Careless()), pytest.raises(Exception, match="desk failed"):
        use(Desk).keep(KEEP)
