"""Events between two hosts that share nothing but the broker, while their processes are killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from tests.extracted.bus.harm import OPENS_WITHIN, harm, open_town, rest
from tests.extracted.bus.town import Town, town
from tests.waiting import eventually

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(480),
]
REST_WITHIN = 60.0  # seconds; the bus's promise, on a machine that has other things to do
KILLS = 5  # of each process one or two, and as many times Redis is emptied
PAYMENTS_QUEUES = {"bus.payment", "bus.ack.payment"}


@pytest.fixture(scope="module")
def both() -> Iterator[Town]:
    with town(settings.DATABASE_URL) as hosts:
        open_town(hosts)
        yield hosts


def test_nothing_is_lost_doubled_or_reordered_between_hosts(both: Town) -> None:
    """Workers and relays of both killed and Redis emptied under load; then all is acknowledged.

    The shop composes payment too, with a schema of it and a worker that was started for its
    queues; but the authority is the service's.
    """
    done = harm(both, lambda done: done.kills < KILLS, rate=100)
    assert done.kills == KILLS, both.said("shop worker")
    outcome = rest(both, within=REST_WITHIN)
    assert outcome.found.is_clean, outcome
    assert outcome.seconds is not None, outcome


def test_worker_takes_what_its_host_has_the_authority_over(both: Town) -> None:
    """Not payment's queues while that is elsewhere; again when it is back; and not once more."""
    eventually(lambda: bool(both.taken("shop")), within=OPENS_WITHIN, what="the worker's answer")
    assert not PAYMENTS_QUEUES & both.taken("shop")
    assert both.taken("payment") >= PAYMENTS_QUEUES
    both.take_authority("shop", "")
    eventually(lambda: both.taken("shop") >= PAYMENTS_QUEUES, within=20, what="taking")
    both.take_authority("shop", "payment")
    eventually(lambda: not PAYMENTS_QUEUES & both.taken("shop"), within=20, what="leaving")


def test_bus_goes_on_when_the_shop_has_nothing_but_the_contract(both: Town) -> None:
    """Retired: the shop starts without the module, and hears and is heard as before."""
    with both.retired():
        harm(both, lambda done: done.kills < 1, rate=50)
        outcome = rest(both, within=REST_WITHIN)
    assert outcome.found.is_clean, outcome
    assert outcome.seconds is not None, outcome
