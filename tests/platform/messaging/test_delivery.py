"""Delivery: lost, repeated and reordered batches change nothing in what is handled."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from modules.inventory.contract.events import StockRanLow, StockRanOut
from modules.platform.databases import atomic
from modules.platform.messaging import publish, registry, relay, wake
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.claiming import BATCH_EVENTS, Limits
from modules.platform.messaging.database import execute, row, rows
from modules.platform.messaging.testing import dead_letters, drain
from tests.platform.messaging.ledgers import SOURCE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

AFTER_LEASE = 60.0  # seconds


def in_flight(carrier: InlineCarrier, ahead: float = 0.0) -> int:
    """Have the source's relay send what it may; how many events it sent."""
    limits = Limits(ahead=timedelta(seconds=ahead))
    return relay.send(SOURCE, relay.look(SOURCE).horizon, carrier, limits)


def test_batch_that_comes_twice_is_handled_once(ledger: Ledger, carrier: InlineCarrier) -> None:
    """The cursor skips what it has passed; its receipt goes out again."""
    drain()
    sku = uuid4()
    publish_now(*(ran_low(sku, n) for n in range(3)))
    assert in_flight(carrier) == 3
    carrier.waiting.append(carrier.waiting[0])
    drain()
    assert ledger.of(sku) == [0, 1, 2]
    assert len(ledger.calls) == 3


def test_lost_batch_is_sent_again_when_its_lease_ends(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """Not before, so that a slow consumer is not flooded."""
    drain()
    sku = uuid4()
    publish_now(ran_low(sku))
    in_flight(carrier)
    carrier.waiting.clear()
    assert drain() == 0
    assert drain(ahead=AFTER_LEASE) == 1
    assert ledger.of(sku) == [100]


def test_lease_doubles_with_each_resend(ledger: Ledger, carrier: InlineCarrier) -> None:
    """30, 60, 120 seconds, and no longer: whoever comes back must not wait for ever."""
    drain()
    publish_now(ran_low())
    in_flight(carrier)
    for lease in (30, 60, 120, 120):
        assert in_flight(carrier, ahead=lease - 2) == 0
        assert in_flight(carrier, ahead=lease + 1) == 1
    assert row(SOURCE, "SELECT max(resends) FROM bus_subscription") == (4,)


def test_lost_receipt_costs_one_repetition(ledger: Ledger, carrier: InlineCarrier) -> None:
    """The batch comes again, is skipped, and its receipt frees the partition."""
    drain()
    sku = uuid4()
    publish_now(ran_low(sku, 1))
    stood = rows(SOURCE, "SELECT id, acked, sent, sent_at FROM bus_subscription")
    in_flight(carrier)
    taken = row(
        SOURCE, "SELECT id, sent, sent_at FROM bus_subscription WHERE sent_at > '-infinity'"
    )
    carrier.pump()
    assert taken is not None
    acked = next(a for i, a, *_ in stood if i == taken[0])
    execute(
        SOURCE,
        "UPDATE bus_subscription SET acked = %s, sent = %s, sent_at = %s WHERE id = %s",
        [acked, taken[1], taken[2], taken[0]],
    )
    publish_now(ran_low(sku, 2))
    assert drain() == 0
    drain(ahead=AFTER_LEASE)
    assert ledger.of(sku) == [1, 2]
    assert len(ledger.calls) == 2


def test_gap_is_dropped_and_the_relay_rewinds(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A consumer restored to an earlier state gets again what it has forgotten."""
    sku = uuid4()
    publish_now(ran_low(sku, 1))
    drain()
    execute("orders", "UPDATE bus_cursor SET pos = 0")
    execute("orders", "TRUNCATE bus_test_ledger")
    publish_now(ran_low(sku, 2))
    drain()
    assert ledger.of(sku) == [1, 2]


def test_one_batch_is_in_flight_per_partition(ledger: Ledger, carrier: InlineCarrier) -> None:
    """Back-pressure: nothing more is sent before the receipt, however much is published."""
    drain()
    sku = uuid4()
    publish_now(ran_low(sku, 0))
    assert in_flight(carrier) == 1
    publish_now(*(ran_low(sku, n) for n in range(1, 500)))
    assert in_flight(carrier) == 0
    assert len(carrier.waiting) == 1
    carrier.pump()
    assert in_flight(carrier) == BATCH_EVENTS
    drain()
    assert ledger.of(sku) == list(range(500))


def test_batch_ends_at_256_kilobytes_and_holds_one_event_at_least(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """Large events make short batches."""
    drain()
    sku = uuid4()
    publish_now(*(ran_low(sku, n) for n in range(4)))
    execute(
        SOURCE,
        "UPDATE bus_outbox SET payload = (payload::jsonb || "
        "jsonb_build_object('x', repeat('x', 100000 + 200000 * (id % 2)::integer)))::json",
    )
    sizes = []
    while sent := in_flight(carrier):
        sizes.append(sent)
        assert carrier.pump() == sent
    assert sizes in ([1, 1, 1, 1],)
    assert ledger.of(sku) == [0, 1, 2, 3]


def test_broker_failure_takes_the_batch_back_at_once(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """What the broker did not take need not wait for its lease."""

    class Broken(InlineCarrier):
        def deliver(self, batch: object) -> None:
            raise ConnectionError("no broker")

    drain()
    sku = uuid4()
    publish_now(ran_low(sku))
    with pytest.raises(ConnectionError):
        in_flight(Broken())
    assert drain() == 1
    assert ledger.of(sku) == [100]


def test_events_of_no_interest_are_passed_without_a_message(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """The subscription moves on by itself, and what comes later still joins on."""
    drain()
    sku = uuid4()
    publish_now(*(StockRanOut(sku=str(sku)) for _ in range(600)))
    assert in_flight(carrier) == 0
    top = row(SOURCE, "SELECT max(sent), max(acked) FROM bus_subscription")
    assert top is not None
    assert top[0] >= top[1] + 600
    publish_now(ran_low(sku))
    drain()
    assert ledger.of(sku) == [100]


@pytest.mark.parametrize(
    ("meanwhile", "is_woken"),
    [
        ("nothing", False),
        ("of the same partition", True),
        ("of another", False),
        ("of no interest", False),
    ],
)
def test_receipt_wakes_the_relay_only_for_what_it_can_send(
    ledger: Ledger,
    carrier: InlineCarrier,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: str,
    is_woken: bool,
) -> None:
    """While a batch is under way more is published; another partition's goes by its own word."""
    drain()
    first, *others = (str(uuid4()) for _ in range(40))
    publish_now(ran_low(UUID(first)))
    assert in_flight(carrier) == 1
    part = part_of(first)
    same = [key for key in others if part_of(key) == part]
    apart = [key for key in others if part_of(key) != part]
    match meanwhile:
        case "of the same partition":
            publish_now(ran_low(UUID(same[0])))
        case "of another":
            publish_now(ran_low(UUID(apart[0])))
        case "of no interest":
            publish_now(StockRanOut(sku=same[0]))
    words: list[str] = []
    monkeypatch.setattr(wake, "wake", words.append)
    carrier.pump()
    assert words == [SOURCE] * is_woken
    assert in_flight(carrier) == (meanwhile in ("of the same partition", "of another"))


def part_of(key: str) -> int:
    """The partition of the source's events of ``key``, as ``bus_publish`` has it."""
    found = row(SOURCE, "SELECT part FROM bus_outbox WHERE key = %s LIMIT 1", [key])
    if found is None:
        with suppress(Undone), atomic(SOURCE):
            publish(ran_low(UUID(key)))
            found = row(SOURCE, "SELECT part FROM bus_outbox WHERE key = %s LIMIT 1", [key])
            raise Undone
    assert found is not None
    return int(found[0])


class Undone(Exception):
    """Ends a transaction that leaves nothing."""


def test_new_consumer_gets_all_that_is_retained(ledger: Ledger) -> None:
    """Its first position is the beginning of the log."""
    skus = [uuid4() for _ in range(20)]
    publish_now(*(ran_low(sku) for sku in skus))
    drain()
    late: list[StockRanLow] = []
    with registry.only({"shipping": {StockRanLow: [late.append]}}):
        drain()
    assert sorted(event.sku for event in late) == sorted(map(str, skus))


def test_new_consumer_may_start_at_the_head(ledger: Ledger) -> None:
    """Then it hears only what is published after it is known."""
    publish_now(ran_low())
    late: list[StockRanLow] = []
    with registry.only({}):
        registry.subscribe("shipping", {StockRanLow: [late.append]}, start="head")
        drain()
        assert late == []
        news = ran_low()
        publish_now(news)
        drain()
    assert late == [news]
    assert dead_letters() == []


def test_consumer_that_wants_nothing_more_is_ended(ledger: Ledger) -> None:
    """It no longer holds the log back, and it goes on where it stood when it returns."""
    drain()
    with registry.only({"orders": {}}):
        drain()
    assert rows(SOURCE, "SELECT DISTINCT state FROM bus_subscription") == [("ended",)]
    sku = uuid4()
    publish_now(ran_low(sku))
    assert drain() == 1
    assert ledger.of(sku) == [100]


def test_order_per_key_holds_over_many_keys_and_batches(ledger: Ledger) -> None:
    """Each key's events are handled in the order of their publication."""
    keys = [uuid4() for _ in range(25)]
    for n in range(40):
        publish_now(*(ran_low(key, n) for key in keys))
    assert drain(timeout=30) == 1000
    for key in keys:
        assert ledger.of(key) == list(range(40))
