"""Delivery: lost, repeated and reordered batches change nothing in what is handled."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from modules.payment.contract.events import PaymentAuthorized, PaymentDeclined
from modules.platform.messaging import registry, relay
from modules.platform.messaging.carrier import InlineCarrier
from modules.platform.messaging.claiming import BATCH_EVENTS, Limits
from modules.platform.messaging.database import execute, row, rows
from modules.platform.messaging.testing import dead_letters, drain
from tests.platform.messaging.ledgers import Ledger, authorized, publish_now

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

AFTER_LEASE = 60.0  # seconds


def in_flight(carrier: InlineCarrier, ahead: float = 0.0) -> int:
    """Have payment's relay send what it may; how many events it sent."""
    limits = Limits(ahead=timedelta(seconds=ahead))
    return relay.send("payment", relay.look("payment").horizon, carrier, limits)


def test_batch_that_comes_twice_is_handled_once(ledger: Ledger, carrier: InlineCarrier) -> None:
    """The cursor skips what it has passed; its receipt goes out again."""
    drain()
    order = uuid4()
    publish_now(*(authorized(order, n) for n in range(3)))
    assert in_flight(carrier) == 3
    carrier.waiting.append(carrier.waiting[0])
    drain()
    assert ledger.of(order) == [0, 1, 2]
    assert len(ledger.calls) == 3


def test_lost_batch_is_sent_again_when_its_lease_ends(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """Not before, so that a slow consumer is not flooded."""
    drain()
    order = uuid4()
    publish_now(authorized(order))
    in_flight(carrier)
    carrier.waiting.clear()
    assert drain() == 0
    assert drain(ahead=AFTER_LEASE) == 1
    assert ledger.of(order) == [100]


def test_lease_doubles_with_each_resend(ledger: Ledger, carrier: InlineCarrier) -> None:
    """30, 60, 120 seconds, and no longer: whoever comes back must not wait for ever."""
    drain()
    publish_now(authorized())
    in_flight(carrier)
    for lease in (30, 60, 120, 120):
        assert in_flight(carrier, ahead=lease - 2) == 0
        assert in_flight(carrier, ahead=lease + 1) == 1
    assert row("payment", "SELECT max(resends) FROM bus_subscription") == (4,)


def test_lost_receipt_costs_one_repetition(ledger: Ledger, carrier: InlineCarrier) -> None:
    """The batch comes again, is skipped, and its receipt frees the partition."""
    drain()
    order = uuid4()
    publish_now(authorized(order, 1))
    stood = rows("payment", "SELECT id, acked, sent, sent_at FROM bus_subscription")
    in_flight(carrier)
    taken = row(
        "payment", "SELECT id, sent, sent_at FROM bus_subscription WHERE sent_at > '-infinity'"
    )
    carrier.pump()
    assert taken is not None
    acked = next(a for i, a, *_ in stood if i == taken[0])
    execute(
        "payment",
        "UPDATE bus_subscription SET acked = %s, sent = %s, sent_at = %s WHERE id = %s",
        [acked, taken[1], taken[2], taken[0]],
    )
    publish_now(authorized(order, 2))
    assert drain() == 0
    drain(ahead=AFTER_LEASE)
    assert ledger.of(order) == [1, 2]
    assert len(ledger.calls) == 2


def test_gap_is_dropped_and_the_relay_rewinds(ledger: Ledger, carrier: InlineCarrier) -> None:
    """A consumer restored to an earlier state gets again what it has forgotten."""
    order = uuid4()
    publish_now(authorized(order, 1))
    drain()
    execute("orders", "UPDATE bus_cursor SET pos = 0")
    execute("orders", "TRUNCATE bus_test_ledger")
    publish_now(authorized(order, 2))
    drain()
    assert ledger.of(order) == [1, 2]


def test_one_batch_is_in_flight_per_partition(ledger: Ledger, carrier: InlineCarrier) -> None:
    """Back-pressure: nothing more is sent before the receipt, however much is published."""
    drain()
    order = uuid4()
    publish_now(authorized(order, 0))
    assert in_flight(carrier) == 1
    publish_now(*(authorized(order, n) for n in range(1, 500)))
    assert in_flight(carrier) == 0
    assert len(carrier.waiting) == 1
    carrier.pump()
    assert in_flight(carrier) == BATCH_EVENTS
    drain()
    assert ledger.of(order) == list(range(500))


def test_batch_ends_at_256_kilobytes_and_holds_one_event_at_least(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """Large events make short batches."""
    drain()
    order = uuid4()
    publish_now(*(authorized(order, n) for n in range(4)))
    execute(
        "payment",
        "UPDATE bus_outbox SET payload = (payload::jsonb || "
        "jsonb_build_object('x', repeat('x', 100000 + 200000 * (id % 2)::integer)))::json",
    )
    sizes = []
    while sent := in_flight(carrier):
        sizes.append(sent)
        assert carrier.pump() == sent
    assert sizes in ([1, 1, 1, 1],)
    assert ledger.of(order) == [0, 1, 2, 3]


def test_broker_failure_takes_the_batch_back_at_once(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """What the broker did not take need not wait for its lease."""

    class Broken(InlineCarrier):
        def deliver(self, batch: object) -> None:
            raise ConnectionError("no broker")

    drain()
    order = uuid4()
    publish_now(authorized(order))
    with pytest.raises(ConnectionError):
        in_flight(Broken())
    assert drain() == 1
    assert ledger.of(order) == [100]


def test_events_of_no_interest_are_passed_without_a_message(
    ledger: Ledger, carrier: InlineCarrier
) -> None:
    """The subscription moves on by itself, and what comes later still joins on."""
    drain()
    order = uuid4()
    declined = [
        PaymentDeclined(order_id=order, payment_id=uuid4(), decline_code="no") for _ in range(600)
    ]
    publish_now(*declined)
    assert in_flight(carrier) == 0
    top = row("payment", "SELECT max(sent), max(acked) FROM bus_subscription")
    assert top is not None
    assert top[0] >= top[1] + 600
    publish_now(authorized(order))
    drain()
    assert ledger.of(order) == [100]


def test_new_consumer_gets_all_that_is_retained(ledger: Ledger) -> None:
    """Its first position is the beginning of the log."""
    orders = [uuid4() for _ in range(20)]
    publish_now(*(authorized(order) for order in orders))
    drain()
    late: list[PaymentAuthorized] = []
    with registry.only({"shipping": {PaymentAuthorized: [late.append]}}):
        drain()
    assert sorted(str(event.order_id) for event in late) == sorted(map(str, orders))


def test_new_consumer_may_start_at_the_head(ledger: Ledger) -> None:
    """Then it hears only what is published after it is known."""
    publish_now(authorized())
    late: list[PaymentAuthorized] = []
    with registry.only({}):
        registry.subscribe("shipping", {PaymentAuthorized: [late.append]}, start="head")
        drain()
        assert late == []
        news = authorized()
        publish_now(news)
        drain()
    assert late == [news]
    assert dead_letters() == []


def test_consumer_that_wants_nothing_more_is_ended(ledger: Ledger) -> None:
    """It no longer holds the log back, and it goes on where it stood when it returns."""
    drain()
    with registry.only({"orders": {}}):
        drain()
    assert rows("payment", "SELECT DISTINCT state FROM bus_subscription") == [("ended",)]
    order = uuid4()
    publish_now(authorized(order))
    assert drain() == 1
    assert ledger.of(order) == [100]


def test_order_per_key_holds_over_many_keys_and_batches(ledger: Ledger) -> None:
    """Each key's events are handled in the order of their publication."""
    keys = [uuid4() for _ in range(25)]
    for n in range(40):
        publish_now(*(authorized(key, n) for key in keys))
    assert drain(timeout=30) == 1000
    for key in keys:
        assert ledger.of(key) == list(range(40))
