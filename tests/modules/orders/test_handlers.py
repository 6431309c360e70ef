"""What orders makes of the other modules' events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from modules.accounts.contract import EmailVerified
from modules.inventory.contract import (
    AllocationFailed,
    InsufficientStock,
    ReservationExpired,
    ReservationState,
    Shortage,
)
from modules.orders.contract import (
    FulfilmentState,
    Order,
    OrderNeedsReview,
    OrderPaymentState,
    OrderState,
)
from modules.orders.handlers import HANDLERS
from modules.orders.models import Order as OrderRow
from modules.orders.models import VerifiedAddress
from modules.orders.module import MODULE
from modules.orders.queries import get_order, timeline
from modules.orders.service.cancellation import CancelOrder, cancel
from modules.orders.service.claims import is_claimed_by
from modules.orders.service.review import mark_reviewed
from modules.orders.service.sweeping import close_delivered, flag_uncaptured
from modules.payment.contract import (
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentUnclaimed,
    PaymentVoided,
)
from modules.platform.contracts import Event
from modules.platform.databases import atomic
from modules.shipping.contract import ShipmentCancelled, ShipmentDelivered, ShipmentDispatched
from tests.modules.orders.conftest import Clock, buy, published, settle
from tests.modules.orders.fakes import LOST, World, usd

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENT = UUID(int=3)


def hear(*events: Event) -> None:
    """As the bus does: handlers in one transaction."""
    with atomic("orders"):
        for event in events:
            for handler in HANDLERS[type(event)]:
                handler(event)


def confirmed(world: World, **lines: int) -> Order:
    return buy(world.new_cart(**lines)).order


def of(order: Order | UUID, kind: type[Event], **data: Any) -> Event:
    order_id = order if isinstance(order, UUID) else order.id
    named = {"payment_id": PAYMENT} if "payment" in kind.__module__ else {}
    if kind in (ShipmentDispatched, ShipmentDelivered, ShipmentCancelled):
        named = {"shipment_id": PAYMENT}
    return kind(order_id=order_id, **named, **data)  # type: ignore[call-arg]


def captured(order: Order) -> Event:
    return of(order, PaymentCaptured, amount=order.total, captured=order.total)


def dispatched(order: Order, complete: bool = True) -> Event:
    data = {"lines": (), "tracking_number": "T1", "tracking_url": "", "complete": complete}
    return of(order, ShipmentDispatched, **data)


def test_declared_and_handled_events_are_the_same() -> None:
    """The declaration drives the subscriptions' documentation."""
    assert set(HANDLERS) == set(MODULE.consumes)


def test_order_follows_its_payment_and_shipment(world: World) -> None:
    """Captured, shipped, delivered."""
    order = confirmed(world)
    for event, state in [
        (captured(order), OrderState.CAPTURED),
        (dispatched(order), OrderState.SHIPPED),
        (of(order, ShipmentDelivered, complete=True), OrderState.DELIVERED),
    ]:
        hear(event)
        assert get_order(order.id).state is state


def test_news_out_of_order_come_to_the_same(world: World) -> None:
    """Shipped is heard before captured: payment and shipping are different sources."""
    order = confirmed(world)
    hear(dispatched(order), captured(order))
    after = get_order(order.id)
    assert (after.state, after.payment_state) == (OrderState.SHIPPED, OrderPaymentState.PAID)


def test_news_heard_twice_change_nothing_more(world: World) -> None:
    """Only the timeline has them twice."""
    order = confirmed(world)
    hear(captured(order), captured(order))
    assert get_order(order.id).state is OrderState.CAPTURED


def test_part_of_an_order_that_left_shows(world: World) -> None:
    """The order itself is shipped when nothing remains to be sent."""
    order = confirmed(world)
    hear(captured(order), dispatched(order, complete=False))
    after = get_order(order.id)
    assert after.fulfilment_state is FulfilmentState.PARTIALLY_SHIPPED
    assert after.state is OrderState.CAPTURED


def test_authorized_payment_confirms_an_order_that_lost_the_answer(
    world: World, clock: Clock
) -> None:
    """payment's event is as good as its answer."""
    world.fail("payment.authorize", LOST)
    placement = buy(world.new_cart())
    hear(of(placement.order, PaymentAuthorized, amount=placement.order.total))
    settle(clock)
    assert get_order(placement.order.id).state is OrderState.CONFIRMED


def test_authorized_payment_of_a_dead_order_is_cancelled(world: World, clock: Clock) -> None:
    """The money turns up after the order was given up."""
    world.always["payment.authorize"] = LOST
    order = buy(world.new_cart(), clock=clock).order
    settle(clock)
    world.accounts[order.id].authorized = 500
    hear(of(order, PaymentAuthorized, amount=order.total))
    settle(clock)
    assert world.standing(order.id) == 0
    assert get_order(order.id).state is OrderState.CANCELLED


def test_authorized_payment_of_a_confirmed_order_is_no_news(world: World) -> None:
    """Nothing is written."""
    order = confirmed(world)
    hear(of(order, PaymentAuthorized, amount=order.total))
    assert get_order(order.id) == order


def test_declined_payment_after_the_bank_fails_the_order(world: World, clock: Clock) -> None:
    """The shopper was sent to confirm and did not pass."""
    order = buy(world.new_cart(), method="card_requires_action").order
    hear(of(order, PaymentDeclined, decline_code="3ds"))
    settle(clock)
    assert get_order(order.id).failure_code == "payment.declined"


def test_failed_capture_needs_a_person(world: World) -> None:
    """The goods must not leave; an event says so once."""
    order = confirmed(world)
    failed = of(order, CaptureFailed, reason="authorization expired")
    hear(failed, failed)
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
    assert len(published(OrderNeedsReview)) == 1


def test_voided_payment_of_a_standing_order_needs_a_person(world: World) -> None:
    """It would be sent for nothing."""
    order = confirmed(world)
    hear(of(order, PaymentVoided, reason="by the bank"))
    after = get_order(order.id)
    assert (after.state, after.payment_state) == ("needs_review", "voided")


def test_refunds_add_up_on_the_order(world: World) -> None:
    """In part, then in full; in full without a return needs a person."""
    order = confirmed(world)
    refund = {"refund_id": PAYMENT, "amount": usd(500)}
    hear(captured(order), of(order, PaymentRefunded, refunded=usd(500), **refund))
    assert get_order(order.id).payment_state is OrderPaymentState.PARTIALLY_REFUNDED
    hear(of(order, PaymentRefunded, refunded=order.total, **refund))
    after = get_order(order.id)
    assert (after.payment_state, after.refunded) == ("refunded", order.total.amount)
    assert after.state is OrderState.NEEDS_REVIEW


def test_unclaimed_payment_of_an_unknown_order_is_cancelled(world: World, clock: Clock) -> None:
    """Money without an order goes back, durably."""
    order_id = uuid4()
    from tests.modules.orders.fakes import Account

    world.accounts[order_id] = Account(amount=100, authorized=100)
    world.fail("payment.cancel", LOST, LOST)
    unclaimed = of(order_id, PaymentUnclaimed, amount=usd(100))
    hear(unclaimed, unclaimed)
    settle(clock)
    assert world.standing(order_id) == 0


def test_unclaimed_payment_of_a_cancelled_order_is_cancelled(world: World, clock: Clock) -> None:
    """The order is dead."""
    order = confirmed(world)
    OrderRow.objects.filter(id=order.id).update(state="cancelled")
    hear(of(order, PaymentUnclaimed, amount=order.total))
    settle(clock)
    assert world.standing(order.id) == 0
    assert timeline(order.id)[-1].kind == "payment_settled"


def test_unclaimed_payment_told_again_is_settled_and_noted_once(world: World, clock: Clock) -> None:
    """The first answer was on its way when payment looked again."""
    order = confirmed(world)
    OrderRow.objects.filter(id=order.id).update(state="cancelled")
    for _ in range(2):
        hear(of(order, PaymentUnclaimed, amount=order.total))
        settle(clock)
    assert [entry.kind for entry in timeline(order.id)].count("payment_settled") == 1


def test_unclaimed_payment_of_a_standing_order_is_captured(world: World, clock: Clock) -> None:
    """The order claims it."""
    order = confirmed(world)
    hear(of(order, PaymentUnclaimed, amount=order.total))
    settle(clock)
    assert world.accounts[order.id].captured == order.total.amount


def test_unclaimed_payment_of_an_order_being_placed_confirms_it(world: World, clock: Clock) -> None:
    """The answer that got lost."""
    world.fail("payment.authorize", LOST)
    order = buy(world.new_cart()).order
    hear(of(order, PaymentUnclaimed, amount=order.total))
    settle(clock)
    assert get_order(order.id).state is OrderState.CONFIRMED
    assert world.accounts[order.id].charges == 1


def test_expired_reservation_fails_an_order_being_placed(world: World, clock: Clock) -> None:
    """Its stock may be somebody else's by now."""
    order = buy(world.new_cart(), method="card_requires_action").order
    hear(ReservationExpired(order_id=order.id, lines=()))
    settle(clock)
    assert get_order(order.id).failure_code == "inventory.reservation_expired"


def test_expired_reservation_of_a_confirmed_order_needs_a_person(world: World) -> None:
    """It stands without goods."""
    order = confirmed(world)
    hear(ReservationExpired(order_id=order.id, lines=()))
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW


def test_cancelled_shipment_nobody_asked_for_needs_a_person(world: World) -> None:
    """The goods will not leave, and the order stands."""
    order = confirmed(world)
    hear(of(order, ShipmentCancelled, reason="lost in the warehouse"))
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW


def sold_out(world: World) -> tuple[Order, AllocationFailed]:
    """A confirmed order whose hold ran out, and whose apples somebody else bought."""
    order = confirmed(world, apple=2)
    world.holds[order.id].state = ReservationState.EXPIRED
    world.stock["apple"] = 1
    short = Shortage(sku="apple", requested=2, available=1)
    return order, AllocationFailed(order_id=order.id, shortages=(short,))


def test_failed_allocation_needs_a_person_and_says_what_is_short(world: World) -> None:
    """The order has money and no goods; reason and timeline name each short line, once."""
    order, failed = sold_out(world)
    hear(captured(order), failed)
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
    (flagged,) = published(OrderNeedsReview)
    assert flagged.reason == "its stock was sold meanwhile (apple: 2 ordered, 1 left)"
    told = [(entry.kind, entry.detail) for entry in timeline(order.id)][-2:]
    assert told == [
        ("allocation_failed", "apple: 2 ordered, 1 left"),
        ("needs_review", flagged.reason),
    ]


def test_order_without_goods_stays_flagged_until_there_are_some(world: World) -> None:
    """Reviewing it asks inventory again: short, it says so; in stock, the order goes on."""
    order, failed = sold_out(world)
    hear(captured(order), failed)
    with pytest.raises(InsufficientStock):
        mark_reviewed(order.id, reason="look again")
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
    world.stock["apple"] = 2
    assert mark_reviewed(order.id, reason="a delivery came") is OrderState.CAPTURED
    assert world.holds[order.id].state is ReservationState.ALLOCATED
    assert world.held("apple") == 2


def test_order_without_goods_can_be_cancelled(world: World) -> None:
    """The shopper gets the money back."""
    order, failed = sold_out(world)
    hear(captured(order), failed)
    done = cancel(CancelOrder(order_id=order.id, reason="sold out", actor="staff"))
    assert done.order.state is OrderState.CANCELLED
    assert world.standing(order.id) == 0


@pytest.mark.parametrize(
    ("state", "entries"), [("cancelling", 0), ("cancelled", 0), ("shipped", 1), ("needs_review", 1)]
)
def test_failed_allocation_flags_only_what_is_to_be_sent(
    world: World, state: str, entries: int
) -> None:
    """An order that is over needs no goods; of any other the timeline tells."""
    order, failed = sold_out(world)
    OrderRow.objects.filter(id=order.id).update(state=state)
    hear(failed)
    assert get_order(order.id).state == state
    assert [e.kind for e in timeline(order.id)].count("allocation_failed") == entries
    assert published(OrderNeedsReview) == []


CUSTOMER = UUID(int=77)
OWNERS = frozenset({f"customer:{CUSTOMER}"})


def verified(email: str = "ADA@example.com", customer: UUID = CUSTOMER) -> EmailVerified:
    return EmailVerified(customer_id=customer, email=email)


def test_guests_orders_are_the_customers_who_proved_the_address(world: World) -> None:
    """Whatever the case of its letters, and whether placed before or after the proof."""
    before = confirmed(world)
    assert not is_claimed_by(before, OWNERS)
    hear(verified(), verified())
    after = confirmed(world)
    assert is_claimed_by(before, OWNERS)
    assert is_claimed_by(after, OWNERS)
    assert get_order(before.id).owner == "guest:me"
    assert VerifiedAddress.objects.count() == 1


def test_proof_of_an_address_claims_no_other_orders(world: World) -> None:
    """Not those of another address, of another customer, or for somebody who is no customer."""
    guests = confirmed(world)
    other = buy(world.new_cart(owner="customer:other"), owner="customer:other").order
    hear(verified("bob@example.com"))
    assert not is_claimed_by(guests, OWNERS)
    hear(verified())
    assert not is_claimed_by(other, OWNERS)
    assert not is_claimed_by(guests, {"guest:thief"})
    assert not is_claimed_by(guests, {"customer:other"})


def test_address_that_changes_hands_is_his_who_proved_it_last(world: World) -> None:
    """Somebody else has the mailbox now."""
    order = confirmed(world)
    hear(verified(), verified(customer=UUID(int=78)))
    assert not is_claimed_by(order, OWNERS)
    assert is_claimed_by(order, {f"customer:{UUID(int=78)}"})


@pytest.mark.parametrize(
    "event",
    [
        of(UUID(int=1), PaymentCaptured, amount=usd(1), captured=usd(1)),
        of(UUID(int=1), PaymentVoided, reason=""),
        of(UUID(int=1), PaymentDeclined, decline_code=""),
        of(UUID(int=1), PaymentAuthorized, amount=usd(1)),
        of(UUID(int=1), CaptureFailed, reason=""),
        of(UUID(int=1), ShipmentDelivered, complete=True),
        of(UUID(int=1), ShipmentCancelled, reason=""),
        ReservationExpired(order_id=UUID(int=1), lines=()),
        AllocationFailed(order_id=UUID(int=1), shortages=()),
    ],
    ids=lambda event: type(event).__name__,
)
def test_news_of_an_unknown_order_is_no_error(world: World, event: Event) -> None:
    """A failing handler would hold up the order's later events for nothing."""
    hear(event)
    assert not OrderRow.objects.exists()


def test_delivered_order_is_closed_after_the_return_window(world: World) -> None:
    """30 days after the last change."""
    order = confirmed(world)
    hear(captured(order), dispatched(order), of(order, ShipmentDelivered, complete=True))
    now = datetime.now(UTC)
    assert close_delivered(now=now + timedelta(days=29)) == 0
    assert close_delivered(now=now + timedelta(days=31)) == 1
    assert get_order(order.id).state is OrderState.CLOSED


def test_confirmed_order_that_is_never_captured_needs_a_person(world: World) -> None:
    """Payment tries for minutes; after a quarter of an hour somebody must look."""
    order = confirmed(world)
    now = datetime.now(UTC)
    assert flag_uncaptured(now=now) == 0
    assert flag_uncaptured(now=now + timedelta(minutes=16)) == 1
    assert get_order(order.id).state is OrderState.NEEDS_REVIEW
