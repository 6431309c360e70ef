"""The rules of orders: transition tables, shares, numbers, and the pure functions of the sagas."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.orders.contract import FulfilmentState, OrderPaymentState, OrderState
from modules.orders.domain.amounts import share
from modules.orders.domain.numbers import looks_like_number, new_number
from modules.orders.domain.states import (
    FULFILMENT,
    ORDER,
    PAYMENT,
    RETURN,
    STANDING,
    fulfilment_after,
    payment_after,
    progressed,
    sources_of,
)
from modules.orders.sagas import cancelling, placing, returning, settling
from modules.orders.sagas.placing import Authorization, Checkout, Phase, Placing
from modules.platform.contracts import Money
from modules.platform.sagas import (
    Answered,
    Decision,
    Expired,
    GaveUp,
    Refused,
    SagaEvent,
    Signal,
    Started,
)
from tests.modules.orders.fakes import ADDRESS, FakeCart, FakeShipping, World, usd

STRAIGHT = [
    OrderState.PENDING,
    OrderState.RESERVED,
    OrderState.AUTHORIZED,
    OrderState.CONFIRMED,
    OrderState.CAPTURED,
    OrderState.SHIPPED,
    OrderState.DELIVERED,
    OrderState.CLOSED,
]


@pytest.mark.parametrize("table", [ORDER, PAYMENT, FULFILMENT, RETURN])
def test_tables_name_every_state_and_nothing_else(table: Any) -> None:
    """A state without a row would be a dead end by accident."""
    states = set(type(next(iter(table))))
    assert set(table) == states
    assert set().union(*table.values()) <= states


def test_straight_way_is_allowed_step_by_step() -> None:
    """PENDING .. CLOSED."""
    for state, following in pairwise(STRAIGHT):
        assert following in ORDER[state]


def test_every_state_but_the_ends_can_reach_an_end() -> None:
    """No order is stuck by the table."""
    ends = {state for state, targets in ORDER.items() if not targets}
    assert ends == {OrderState.CANCELLED, OrderState.REFUNDED}
    reaches = set(ends)
    while grown := {s for s, targets in ORDER.items() if targets & reaches} - reaches:
        reaches |= grown
    assert reaches == set(OrderState)


def test_sources_are_the_table_read_backwards() -> None:
    """Used as the WHERE of each change."""
    for target in OrderState:
        assert sources_of(target) == {state for state in OrderState if target in ORDER[state]}


news = st.lists(
    st.one_of(st.sampled_from(sorted(OrderPaymentState)), st.sampled_from(sorted(FulfilmentState))),
    max_size=12,
)


@given(news)
def test_order_follows_news_in_any_order_and_never_back(
    events: list[OrderPaymentState | FulfilmentState],
) -> None:
    """Payment and shipping tell of themselves independently, twice and out of order."""
    state = OrderState.CONFIRMED
    payment, fulfilment = OrderPaymentState.AUTHORIZED, FulfilmentState.UNFULFILLED
    for event in events:
        if isinstance(event, OrderPaymentState):
            payment = payment_after(payment, event)
        else:
            fulfilment = fulfilment_after(fulfilment, event)
        after = progressed(state, payment, fulfilment)
        assert after == state or after in ORDER[state]
        assert after in STANDING
        assert STRAIGHT.index(after) >= STRAIGHT.index(state)
        state = after


@given(
    total=st.integers(0, 10**9),
    quantity=st.integers(1, 50),
    data=st.data(),
)
def test_shares_of_a_line_add_up_to_the_line(
    total: int, quantity: int, data: st.DataObject
) -> None:
    """However it is taken apart, to the cent."""
    taken = given_back = 0
    while taken < quantity:
        count = data.draw(st.integers(1, quantity - taken))
        part = share(usd(total), of=quantity, taken=taken, count=count)
        assert 0 <= part.amount <= total
        given_back, taken = given_back + part.amount, taken + count
    assert given_back == total


@pytest.mark.parametrize(("taken", "count"), [(0, 0), (0, 4), (2, 2), (-1, 1)])
def test_share_of_more_than_is_left_is_refused(taken: int, count: int) -> None:
    """It would give back money that was never paid."""
    with pytest.raises(ValueError, match="of a line of 3"):
        share(usd(100), of=3, taken=taken, count=count)


@given(st.randoms(use_true_random=False))
def test_numbers_look_like_numbers(random: Any) -> None:
    """And have no letters that people mix up."""
    number = new_number(random.choice)
    assert looks_like_number(number.lower())
    assert not set(number[3:]) & set("01ILOU")


def test_other_text_is_no_number() -> None:
    """An e-mail address is looked up otherwise."""
    assert not looks_like_number("ada@example.com")


def fresh() -> Placing:
    return Placing(
        phase=Phase.CHECKOUT,
        order_id=UUID(int=1),
        cart_id=UUID(int=2),
        owners=frozenset({"guest:me"}),
        actor="me",
        email="a@b.c",
        locale="en",
        shipping_address=ADDRESS,
        billing_address=None,
        shipping_method="",
        payment_method="card_ok",
    )


def checked_out() -> Checkout:
    from modules.cart.contract import BeginCheckout
    from modules.shipping.contract import Parcel

    world = World()
    cart_id = world.new_cart()
    command = BeginCheckout(
        idempotency_key="k", cart_id=cart_id, order_id=UUID(int=1), owners=frozenset({"guest:me"})
    )
    snapshot = FakeCart(world).begin_checkout(command)
    parcel = Parcel(weight_grams=1, value=usd(1), items=1)
    quotes = FakeShipping(world).quotes(address=ADDRESS, parcel=parcel)
    return Checkout(
        snapshot=snapshot, quote=quotes[0], reserve_until=datetime(2026, 1, 1, tzinfo=UTC)
    )


RESULTS = {"checkout": checked_out(), "authorize": Authorization()}
UNDONE_BY = {"checkout": "reopen_cart", "reserve": "release_stock", "authorize": "cancel_payment"}


class Model:
    """Plays the platform: keeps pending commands, and what took effect in the world."""

    def __init__(self) -> None:
        self.state = fresh()
        self.pending: list[str] = []
        self.superseded: list[str] = []
        self.effects: set[str] = set()
        self.tell(Started())

    def tell(self, event: SagaEvent) -> None:
        decision: Decision | None = placing.decide(self.state, event)
        if decision is None:
            return
        moved = decision.state.phase != self.state.phase
        if moved:
            self.superseded += [kind for kind in self.pending if kind in UNDONE_BY]
            self.pending = [kind for kind in self.pending if kind not in UNDONE_BY]
        self.state = decision.state  # type: ignore[assignment]
        self.pending += [command.kind for command in decision.commands]

    def take_effect(self, kind: str) -> None:
        if kind in UNDONE_BY:
            self.effects.add(kind)
        for forward, undo in UNDONE_BY.items():
            if kind == undo:
                self.effects.discard(forward)

    def answer(self, kind: str, late: bool) -> None:
        (self.superseded if late else self.pending).remove(kind)
        self.take_effect(kind)
        self.tell(Answered(kind=kind, result=RESULTS.get(kind), late=late))

    def refuse(self, kind: str) -> None:
        self.pending.remove(kind)
        codes = {"checkout": "cart.empty", "authorize": "payment.declined"}
        self.tell(Refused(kind=kind, code=codes.get(kind, "inventory.short"), detail=""))


moves = st.lists(
    st.sampled_from(
        ["answer", "answer", "refuse", "lost", "late", "expire", "cancel", "authorized", "gave_up"]
    ),
    max_size=14,
)


@given(moves)
def test_placing_ends_with_all_or_nothing(steps: list[str]) -> None:
    """Whatever happens in whatever order: PLACED with everything, or FAILED with nothing."""
    model = Model()
    for step in steps:
        play(model, step)
    for _ in range(20):  # in the end everybody answers
        if model.superseded:
            model.answer(model.superseded[0], late=True)
        elif model.pending:
            model.answer(model.pending[0], late=False)
        elif model.state.phase not in placing.ENDS:
            model.tell(Expired())
    if model.state.phase is Phase.PLACED:
        assert model.effects == {"checkout", "reserve", "authorize"}
    else:
        assert model.state.phase is Phase.FAILED
        assert model.effects == set()
        assert model.state.failure_code


def play(model: Model, step: str) -> None:
    forward = [kind for kind in model.pending if kind in UNDONE_BY]
    match step:
        case "answer" if model.pending:
            model.answer(model.pending[0], late=False)
        # What was charged unheard is not declined when asked again with the same key.
        case "refuse" if forward and not ({"authorize"} & model.effects & set(forward)):
            model.refuse(forward[0])
        case "lost" if forward:  # it took effect and nobody heard
            model.take_effect(forward[0])
        case "late" if model.superseded:
            model.answer(model.superseded[0], late=True)
        case "expire" if model.state.phase in placing._EXPIRED:
            model.tell(Expired())
        case "cancel":
            model.tell(Signal(name="cancel", data={"code": "orders.cancelled", "detail": ""}))
        case "authorized" if "authorize" in model.effects:
            model.tell(Signal(name="payment_authorized"))
        case "gave_up" if model.state.waiting:
            model.tell(GaveUp(kind=model.state.waiting[0], code="x", detail=""))


events = st.sampled_from(
    [
        Started(),
        Answered(kind="stop_shipments", result=""),
        Answered(kind="stop_shipments", result="gone"),
        Answered(kind="cancel_payment", result=100),
        Answered(kind="refund_payment"),
        Answered(kind="release_stock"),
        Answered(kind="restock"),
        Refused(kind="x", code="y", detail="z"),
        GaveUp(kind="x", code="y", detail="z"),
        Expired(),
        Signal(name="anything"),
    ]
)


@given(st.lists(events, max_size=12), st.sampled_from(["cancel", "return", "settle"]))
def test_other_sagas_never_leave_an_end(steps: list[SagaEvent], which: str) -> None:
    """Once at rest, nothing moves them; deciding never fails."""
    state, module = begun(which)
    for event in steps:
        decision = module.decide(state, event)
        if decision is None:
            continue
        if state.phase in module.ENDS:
            assert decision.state.phase == state.phase
            assert not decision.commands or isinstance(event, Started)
        state = decision.state


def begun(which: str) -> tuple[Any, Any]:
    order_id, nothing = UUID(int=1), Money(amount=100, currency="USD")
    match which:
        case "cancel":
            return (
                cancelling.Cancelling(
                    phase=cancelling.Phase.STOPPING,
                    order_id=order_id,
                    reason="",
                    actor="",
                    amount=nothing,
                ),
                cancelling,
            )
        case "return":
            return (
                returning.Returning(
                    phase=returning.Phase.GIVING_BACK,
                    order_id=order_id,
                    return_id=order_id,
                    actor="",
                    reason="",
                    amount=nothing,
                ),
                returning,
            )
        case _:
            return (
                settling.Settling(
                    phase=settling.Phase.SETTLING,
                    order_id=order_id,
                    command="capture",
                    reason="",
                ),
                settling,
            )
