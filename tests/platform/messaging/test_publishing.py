"""Publishing: stored with the change or not at all."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from modules.inventory.contract.events import StockRanLow
from modules.platform.contracts import CallContext, call_context
from modules.platform.databases import atomic
from modules.platform.messaging import (
    PublishOutsideTransaction,
    current_envelope,
    publish,
    registry,
)
from modules.platform.messaging.database import rows
from modules.platform.messaging.testing import drain
from tests.platform.messaging.ledgers import SOURCE, TYPE, Ledger, publish_now, ran_low

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_published_event_reaches_its_subscriber_once(ledger: Ledger) -> None:
    """One publication, one handled event, and nothing on a second drain."""
    sku = uuid4()
    publish_now(ran_low(sku, 7))
    assert drain() == 1
    assert drain() == 0
    assert ledger.of(sku) == [7]
    assert len(ledger.calls) == 1


def test_rolled_back_publication_is_never_heard(ledger: Ledger) -> None:
    """The event shares the fate of the change."""
    sku = uuid4()

    def give_up() -> None:
        with atomic(SOURCE):
            publish(ran_low(sku))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_up()
    publish_now(ran_low(sku, 2))
    drain()
    assert ledger.of(sku) == [2]


def test_publishing_outside_a_transaction_is_refused(ledger: Ledger) -> None:
    """There is no change that such an event could tell of."""
    with pytest.raises(PublishOutsideTransaction, match=SOURCE):
        publish(ran_low())
    assert drain() == 0


def test_several_events_are_stored_in_order_by_one_statement(
    ledger: Ledger, django_assert_num_queries: object
) -> None:
    """Order per key is the order of the arguments, and the numbers per key go up by one."""
    sku = uuid4()
    with atomic(SOURCE), django_assert_num_queries(1, using=SOURCE):  # type: ignore[operator]
        publish(*(ran_low(sku, n) for n in range(50)))
    publish_now(ran_low(sku, 50))
    drain()
    assert ledger.of(sku) == list(range(51))
    numbers = rows(SOURCE, "SELECT agg_seq FROM bus_outbox ORDER BY id")
    assert [n for (n,) in numbers] == list(range(1, 52))


def test_handler_knows_cause_and_correlation(ledger: Ledger) -> None:
    """What the publisher's request was is what the handler's work belongs to."""
    seen = []
    sku = uuid4()

    def hear(event: StockRanLow) -> None:
        seen.append(current_envelope())

    with registry.only({"orders": {StockRanLow: [hear]}}):
        cause = CallContext(correlation_id="c-1", causation_id="cmd-1", traceparent="00-a")
        with call_context(cause):
            publish_now(ran_low(sku))
        publish_now(ran_low(sku))
        drain()
    first, second = seen
    assert first is not None
    assert second is not None
    told = (first.correlation_id, first.causation_id, first.traceparent)
    assert told == ("c-1", "cmd-1", "00-a")
    assert first.source == f"/{SOURCE}"
    assert first.type == f"{TYPE}.v1"
    assert second.correlation_id == str(second.id)
    assert current_envelope() is None


def test_event_published_by_a_handler_carries_its_cause(ledger: Ledger) -> None:
    """Causation points to the event that was being handled; correlation is handed on."""
    envelopes = []

    def answer(event: StockRanLow) -> None:
        envelopes.append(current_envelope())
        if event.available < 3:
            publish(ran_low(UUID(event.sku), event.available + 1))

    with registry.only({SOURCE: {StockRanLow: [answer]}}):
        publish_now(ran_low(available=1))
        assert drain() == 3
    ids = [str(e.id) for e in envelopes if e]
    assert [e.causation_id for e in envelopes if e] == [None, ids[0], ids[1]]
    assert {e.correlation_id for e in envelopes if e} == {ids[0]}
