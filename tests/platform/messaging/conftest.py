"""Fixtures of the bus's tests: a carrier to interfere with, and a subscriber."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modules.inventory.contract.events import StockRanLow
from modules.platform.messaging import registry
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from modules.platform.messaging.database import execute
from tests.platform.messaging.ledgers import Ledger


@pytest.fixture
def carrier() -> Iterator[InlineCarrier]:
    """The queue in which the test can lose, repeat and reorder what is under way."""
    inline = InlineCarrier()
    with carried_by(inline):
        yield inline


@pytest.fixture
def ledger(carrier: InlineCarrier, transactional_db: None) -> Iterator[Ledger]:
    """Orders hears StockRanLow and writes it down."""
    ledger = Ledger()
    execute(
        "orders",
        "CREATE TABLE bus_test_ledger "
        "(id bigint GENERATED ALWAYS AS IDENTITY, key text, value bigint)",
    )
    with registry.only({"orders": {StockRanLow: [ledger.hear]}}):
        yield ledger
    execute("orders", "DROP TABLE bus_test_ledger")
