"""What the tests of orders share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from django.db import connections

from modules.orders.service.placement import Placement, PlaceOrder, place
from modules.platform.contracts import Event
from modules.platform.contracts.codec import decode
from modules.platform.messaging.carrier import InlineCarrier, carried_by
from modules.platform.messaging.registry import base_type
from modules.platform.sagas import store
from modules.platform.sagas.running import run
from tests.modules.orders.fakes import ADDRESS, World

E = TypeVar("E", bound=Event)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, **step: float) -> None:
        self.ahead += timedelta(**step)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def carrier() -> Iterator[InlineCarrier]:
    """Tasks wait in this process instead of going to a broker."""
    queue = InlineCarrier()
    with carried_by(queue):
        yield queue


@pytest.fixture
def world(carrier: InlineCarrier) -> Iterator[World]:
    """The other modules, faked."""
    with World().bound() as found:
        yield found


def buy(
    cart_id: UUID, *, method: str = "card_ok", owner: str = "guest:me", **options: Any
) -> Placement:
    """Place an order for the cart."""
    command = PlaceOrder(
        cart_id=cart_id,
        owners=frozenset({owner}),
        email="Ada@Example.com",
        shipping_address=options.pop("address", ADDRESS),
        payment_method=method,
        shipping_method=options.pop("shipping_method", ""),
    )
    return place(command, **options)


def settle(clock: Clock, *, hours: float = 1) -> None:
    """What workers and the sweeper do, until nothing is due within ``hours`` from now."""
    end = clock() + timedelta(hours=hours)
    while (due := _next_due()) is not None and due <= end:
        clock.ahead += max(due - clock(), timedelta()) + timedelta(milliseconds=1)
        for saga_id in store.due("orders", clock(), 100):
            run("orders", saga_id, clock=clock)


def _next_due() -> datetime | None:
    with connections["orders"].cursor() as cursor:
        cursor.execute("SELECT min(due_at) FROM saga WHERE status = 'running'")
        return cursor.fetchone()[0]


def published(kind: type[E]) -> list[E]:
    """The events of this sort in the outbox, in order."""
    with connections["orders"].cursor() as cursor:
        cursor.execute(
            "SELECT payload::text FROM bus_outbox WHERE type = %s ORDER BY id", [base_type(kind)]
        )
        return [decode(row[0].encode(), kind) for row in cursor.fetchall()]
