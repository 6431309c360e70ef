"""What the tests of the bus share: events of one module, and a ledger of what orders heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.db import connections

from modules.inventory.contract.events import StockRanLow
from modules.platform.contracts import Event
from modules.platform.contracts.codec import encode
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.database import execute, rows
from tests.platform.example import EXAMPLE

SOURCE = EXAMPLE
TYPE = f"{SOURCE}.stock_ran_low"
# What ``publish`` says to the database, for a session of the test's own: key, payload.
PUBLISH = (
    f"SELECT bus_publish(ARRAY[gen_random_uuid()], ARRAY[%s], ARRAY['{TYPE}'], "
    "ARRAY[1]::smallint[], ARRAY[%s], NULL)"
)


def ran_low(sku: UUID | None = None, available: int = 100) -> StockRanLow:
    """An event of the source, keyed by its SKU; ``available`` tells those of one key apart."""
    return StockRanLow(sku=str(sku or uuid4()), available=available, threshold=1000)


def publish_now(*events: Event) -> None:
    """Publish in a transaction of the source's own."""
    with atomic(SOURCE):
        publish(*events)


def publish_by(session: psycopg.Connection[Any], event: Event) -> None:
    """Publish it in another session's transaction."""
    session.execute(PUBLISH, [event.key(), encode(event).decode()])


@contextmanager
def other_session(module: str = SOURCE) -> Iterator[psycopg.Connection[Any]]:
    """A second connection to the module's schema, in a transaction of its own."""
    parameters = dict(connections[module].get_connection_params())
    for own in ("cursor_factory", "context", "pool", "prepare_threshold", "server_side_binding"):
        parameters.pop(own, None)
    with psycopg.connect(**parameters) as connection:
        yield connection
        connection.rollback()


@dataclass
class Ledger:
    """What orders heard, written into orders' own database: it is rolled back with the batch."""

    fail: Callable[[Any], BaseException | None] = lambda event: None
    calls: list[Any] = field(default_factory=list)

    def hear(self, event: StockRanLow) -> None:
        self.calls.append(event)
        error = self.fail(event)
        if error is not None:
            raise error
        execute(
            "orders",
            "INSERT INTO bus_test_ledger (key, value) VALUES (%s, %s)",
            [event.key(), event.available],
        )

    def of(self, key: object) -> list[int]:
        """The values heard for ``key``, in the order in which they were committed."""
        sql = "SELECT value FROM bus_test_ledger WHERE key = %s ORDER BY id"
        return [value for (value,) in rows("orders", sql, [str(key)])]

    def all(self) -> list[tuple[str, int]]:
        return [
            (k, v) for k, v in rows("orders", "SELECT key, value FROM bus_test_ledger ORDER BY id")
        ]
