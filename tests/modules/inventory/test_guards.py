"""What the database itself refuses, shown to refuse."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from modules.inventory.domain import Change, MovementKind
from modules.inventory.models import Movement, Reservation, ReservationLine, Stock
from modules.inventory.service import ledger
from modules.platform.databases import atomic
from tests.modules.inventory.shop import inventory, reserving, shelf, stocked

pytestmark = pytest.mark.django_db


def refused(change: object) -> None:
    """Carry ``change`` out and expect the database to refuse it."""
    with pytest.raises(IntegrityError), transaction.atomic(using="inventory"):
        change()  # type: ignore[operator]


def test_the_database_refuses_to_promise_what_is_not_there() -> None:
    """Reserved and allocated cannot exceed what is on hand, whatever the code does."""
    stocked(a=5)
    refused(lambda: Stock.objects.update(reserved=6))
    refused(lambda: Stock.objects.update(reserved=3, allocated=3))
    Stock.objects.update(reserved=3, allocated=2)


def test_the_ledgers_own_statement_is_refused_when_it_would_oversell() -> None:
    """A caller that skips the shortage check is stopped by the CHECK, not by luck."""
    stocked(a=5)

    def oversell() -> None:
        shelves = ledger.lock(["a"])
        change = Change(shelf=shelves[0], kind=MovementKind.RESERVE, reserved=6)
        ledger.write(shelves, [change], now=datetime.now(UTC))

    refused(oversell)
    assert shelf("a") == (5, 0, 0, 0)


@pytest.mark.parametrize("counter", ["on_hand", "reserved", "allocated", "shortfall"])
def test_no_counter_falls_below_nothing(counter: str) -> None:
    """Negative stock does not exist."""
    stocked(a=5)
    refused(lambda: Stock.objects.update(**{counter: -1}))


def test_only_a_count_makes_a_shortfall() -> None:
    """Less than is promised is accepted from people who have looked, and from nobody else."""
    stocked(a=5)
    inventory.reserve(reserving(a=5))

    def shrink(*, counted: bool) -> None:
        with atomic("inventory"):
            shelves = ledger.lock(["a"])
            change = Change(shelf=shelves[0], kind=MovementKind.ADJUST, on_hand=-2)
            ledger.write(shelves, [change], now=datetime.now(UTC), counted=counted)

    refused(lambda: shrink(counted=False))
    shrink(counted=True)
    assert shelf("a") == (3, 5, 0, 2)


def test_an_order_has_one_reservation() -> None:
    """UNIQUE(order_id) holds against any code."""
    stocked(a=5)
    inventory.reserve(reserving(a=1))
    row = Reservation.objects.get()
    row.pk = None

    def again() -> None:
        Reservation.objects.create(
            order_id=row.order_id,
            idempotency_key="x",
            state="held",
            expires_at=row.expires_at,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )

    refused(again)


def test_no_more_is_given_back_than_was_held() -> None:
    """A line's released and dispatched parts cannot exceed it."""
    stocked(a=5)
    inventory.reserve(reserving(a=2))
    refused(lambda: ReservationLine.objects.update(released=2, dispatched=1))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE inventory_movement SET on_hand = 99",
        "DELETE FROM inventory_movement",
        "UPDATE inventory_movement SET reason = 'x' WHERE false",
    ],
)
def test_the_ledger_refuses_to_be_rewritten(statement: str) -> None:
    """Movements are only ever added, also by hand in SQL."""
    stocked(a=5)
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(using="inventory"),
        connections["inventory"].cursor() as cursor,
    ):
        cursor.execute(statement)
    assert Movement.objects.count() == 1
