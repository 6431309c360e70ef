"""What the tests of the bus share: events of payment, and a ledger of what orders heard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.db import connections

from modules.payment.contract.events import PaymentAuthorized
from modules.platform.contracts import Event, Money
from modules.platform.databases import atomic
from modules.platform.messaging import publish
from modules.platform.messaging.database import execute, rows


def authorized(order: UUID | None = None, cents: int = 100) -> PaymentAuthorized:
    """An event of payment, keyed by its order."""
    return PaymentAuthorized(
        order_id=order or uuid4(),
        payment_id=uuid4(),
        amount=Money(amount=cents, currency="EUR"),
    )


def publish_now(*events: Event) -> None:
    """Publish in a transaction of payment's own."""
    with atomic("payment"):
        publish(*events)


@contextmanager
def other_session(module: str = "payment") -> Iterator[psycopg.Connection[Any]]:
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

    def hear(self, event: PaymentAuthorized) -> None:
        self.calls.append(event)
        error = self.fail(event)
        if error is not None:
            raise error
        execute(
            "orders",
            "INSERT INTO bus_test_ledger (key, value) VALUES (%s, %s)",
            [event.key(), event.amount.amount],
        )

    def of(self, key: object) -> list[int]:
        """The values heard for ``key``, in the order in which they were committed."""
        sql = "SELECT value FROM bus_test_ledger WHERE key = %s ORDER BY id"
        return [value for (value,) in rows("orders", sql, [str(key)])]

    def all(self) -> list[tuple[str, int]]:
        return [
            (k, v) for k, v in rows("orders", "SELECT key, value FROM bus_test_ledger ORDER BY id")
        ]
