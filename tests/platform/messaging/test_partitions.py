"""The outbox is rotated: made ahead, dropped when all have it and retention has passed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest

from modules.inventory.contract.events import StockRanLow
from modules.platform.messaging import partitions, registry
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.database import execute, row, rows
from modules.platform.messaging.testing import drain
from tests.platform.messaging.ledgers import (
    SOURCE,
    Ledger,
    other_session,
    publish_now,
    ran_low,
)

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

NO_RETENTION = timedelta(seconds=-60)
SIZE = 20


@pytest.fixture
def small(ledger: Ledger) -> Iterator[Ledger]:
    """The source's outbox anew, with partitions of 20 events, put back afterwards."""
    _rebuild(SIZE)
    yield ledger
    _rebuild(partitions.SIZE)


def _rebuild(size: int) -> None:
    for (name,) in rows(
        SOURCE,
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'bus_outbox'::regclass",
    ):
        execute(SOURCE, f"DROP TABLE {name}")
    execute(SOURCE, "SELECT setval('bus_outbox_id_seq', 1, false)")
    execute(SOURCE, "TRUNCATE bus_subscription")
    execute("orders", "TRUNCATE bus_cursor")
    execute("shipping", "TRUNCATE bus_cursor")
    partitions.make_ahead(SOURCE, size=size, ahead=2)


def count() -> int:
    found = row(SOURCE, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'bus_outbox'::regclass")
    assert found is not None
    return int(found[0])


def fill(times: int) -> None:
    for _ in range(times):
        publish_now(*(ran_low(uuid4(), n) for n in range(10)))
        partitions.make_ahead(SOURCE, size=SIZE, ahead=2)


def test_partitions_are_made_ahead_of_the_head(small: Ledger) -> None:
    """So that no publisher ever finds none, and again nothing when there are enough."""
    assert count() == 2
    fill(10)
    assert count() == 7
    assert partitions.make_ahead(SOURCE, size=SIZE, ahead=2) == 0


def test_acknowledged_partitions_are_dropped(small: Ledger) -> None:
    """Those behind every consumer; the others stay."""
    fill(10)
    drain()
    dropped = partitions.drop_acknowledged(SOURCE, retention=NO_RETENTION)
    assert len(dropped) == 5
    publish_now(ran_low())
    assert drain() == 1


def test_retention_keeps_what_is_young(small: Ledger) -> None:
    """A new consumer may want it."""
    fill(10)
    drain()
    assert partitions.drop_acknowledged(SOURCE) == []


def test_partition_waits_for_the_slowest_consumer(small: Ledger, carrier: InlineCarrier) -> None:
    """Also for one that has never answered."""
    registry.subscribe("shipping", {StockRanLow: [lambda event: None]})
    drain()
    fill(10)
    drain()
    execute(
        SOURCE,
        "UPDATE bus_subscription SET state = 'paused', acked = 0, sent = 0 "
        "WHERE consumer = 'shipping'",
    )
    assert partitions.drop_acknowledged(SOURCE, retention=NO_RETENTION) == []
    execute(SOURCE, "UPDATE bus_subscription SET state = 'ended' WHERE consumer = 'shipping'")
    assert len(partitions.drop_acknowledged(SOURCE, retention=NO_RETENTION)) == 5


def test_drop_gives_way_to_a_reader(small: Ledger) -> None:
    """It waits 50 ms for its lock and no longer, for publishers queue behind it."""
    fill(5)
    drain()
    with other_session() as reader:
        reader.execute("SELECT count(*) FROM bus_outbox")
        began = time.monotonic()
        assert partitions.drop_acknowledged(SOURCE, retention=NO_RETENTION) == []
        assert time.monotonic() - began < 5
    assert partitions.drop_acknowledged(SOURCE, retention=NO_RETENTION) != []


def test_new_consumer_starts_with_what_is_left(small: Ledger) -> None:
    """Dropped events are gone; the first batch still joins on."""
    fill(10)
    drain()
    partitions.drop_acknowledged(SOURCE, retention=NO_RETENTION)
    left = row(SOURCE, "SELECT count(*) FROM bus_outbox")
    fill(1)
    heard: list[StockRanLow] = []
    with registry.only({"shipping": {StockRanLow: [heard.append]}}):
        drain()
    assert left is not None
    assert len(heard) == left[0] + 10
