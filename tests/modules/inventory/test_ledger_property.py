"""Whatever happens in whatever order: the books add up and no promise exceeds the shelf."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from modules.inventory.contract import (
    AllocateStock,
    InventoryError,
    ReleaseStock,
    ReservationState,
    RestockReturn,
)
from modules.inventory.domain import NoticeKind
from modules.inventory.models import ReservationLine, Stock
from modules.inventory.service import expiry, notices, utc_now
from modules.inventory.service.audit import audit
from tests.modules.inventory.shop import inventory, lines, reserving, stocked

SKUS = st.sampled_from(["a", "b", "c"])
PLACES = st.sampled_from(["main", "east"])
BASKETS = st.dictionaries(SKUS, st.integers(1, 4), min_size=1, max_size=3)
NEWS = st.sampled_from(list(NoticeKind))


class Books(RuleBasedStateMachine):
    """Random use cases against the real database; each may be refused, none may break the books."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[UUID] = []
        self.block = transaction.atomic(using="inventory")
        self.block.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True, using="inventory")
        self.block.__exit__(None, None, None)

    @initialize()
    def fill(self) -> None:
        stocked(a=5, b=3, c=0)
        stocked("east", a=2)
        inventory.change_sku(sku="c", expected_version=None, reason="t", backorderable=True)

    @rule(basket=BASKETS)
    def reserve(self, basket: dict[str, int]) -> None:
        command = reserving(minutes=-1, **basket)
        self.orders.append(command.order_id)
        self.attempt(lambda: inventory.reserve(command))

    @rule(number=st.integers(0, 9))
    def allocate(self, number: int) -> None:
        command = AllocateStock(order_id=self.order(number), idempotency_key=str(uuid4()))
        self.attempt(lambda: inventory.allocate(command))

    @rule(number=st.integers(0, 9), basket=st.one_of(st.just({}), BASKETS))
    def release(self, number: int, basket: dict[str, int]) -> None:
        command = ReleaseStock(
            order_id=self.order(number),
            reason="t",
            lines=lines(**basket),
            idempotency_key=str(uuid4()),
        )
        self.attempt(lambda: inventory.release(command))

    @rule(number=st.integers(0, 9), kind=NEWS, basket=BASKETS)
    def news(self, number: int, kind: NoticeKind, basket: dict[str, int]) -> None:
        notices.note(self.order(number), kind, lines(**basket), now=utc_now())
        notices.settle(now=utc_now())

    @rule()
    def expire(self) -> None:
        expiry.expire_due(now=utc_now() + timedelta(seconds=1))

    @rule(sku=SKUS, place=PLACES, level=st.integers(0, 8))
    def count(self, sku: str, place: str, level: int) -> None:
        stocked(place, **{sku: level})

    @rule(sku=SKUS, place=PLACES, delta=st.integers(-4, 4))
    def adjust(self, sku: str, place: str, delta: int) -> None:
        key = str(uuid4())
        self.attempt(
            lambda: inventory.adjust(
                sku=sku, warehouse=place, delta=delta, reason="t", idempotency_key=key
            )
        )

    @rule(basket=BASKETS, back=st.booleans())
    def transfer(self, basket: dict[str, int], back: bool) -> None:
        source, target = ("east", "main") if back else ("main", "east")
        self.attempt(
            lambda: inventory.transfer(
                source=source,
                target=target,
                lines=lines(**basket),
                reason="t",
                idempotency_key=str(uuid4()),
            )
        )

    @rule(basket=BASKETS)
    def restock(self, basket: dict[str, int]) -> None:
        inventory.restock(
            RestockReturn(order_id=uuid4(), lines=lines(**basket), idempotency_key=str(uuid4()))
        )

    @rule(sku=SKUS, backorderable=st.booleans())
    def configure(self, sku: str, backorderable: bool) -> None:
        inventory.change_sku(
            sku=sku, expected_version=None, reason="t", backorderable=backorderable
        )

    @invariant()
    def books_add_up(self) -> None:
        assert audit().differences == ()

    @invariant()
    def nothing_is_promised_that_is_not_there(self) -> None:
        for row in Stock.objects.filter(backorderable=False):
            assert row.reserved + row.allocated <= row.on_hand + row.shortfall

    @invariant()
    def closed_reservations_hold_nothing(self) -> None:
        closed = [ReservationState.RELEASED.value, ReservationState.EXPIRED.value]
        for line in ReservationLine.objects.filter(reservation__state__in=closed):
            assert line.quantity == line.released + line.dispatched

    def order(self, number: int) -> UUID:
        """One of the orders so far, or one that never reserved."""
        return self.orders[number] if number < len(self.orders) else uuid4()

    def attempt(self, act: object) -> None:
        """Do it; a refusal by the rules is fine and leaves everything as it was."""
        try:
            with transaction.atomic(using="inventory"):
                act()  # type: ignore[operator]
        except InventoryError:
            pass


@pytest.mark.django_db
def test_the_ledger_equals_the_counters_through_random_operations() -> None:
    """Twelve random histories of twenty-five steps, each checked after every step."""
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
