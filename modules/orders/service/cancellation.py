"""Cancelling: an order that is being placed, one that stands, or some of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from modules.inventory.contract import StockLine
from modules.orders.contract import (
    LineNotCancellable,
    Order,
    OrderLine,
    OrderNotCancellable,
    OrderNotFound,
    OrderState,
    PlacingCancelled,
)
from modules.orders.domain.amounts import share
from modules.orders.domain.states import BEING_PLACED, CANCELLABLE
from modules.orders.queries import get_order
from modules.orders.sagas import cancelling
from modules.orders.sagas.cancelling import Cancelling, Phase
from modules.orders.writing import Entry, lock_order, move, take_lines
from modules.platform.contracts import Money, StaleVersion
from modules.platform.databases import atomic
from modules.platform.rest.identifiers import new_id
from modules.platform.sagas import Signal
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.running import run_inline
from modules.platform.sagas.saga import Saga, Status
from modules.platform.sagas.starting import signal, start, take

INLINE = timedelta(seconds=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """``lines`` empty: all of it. ``expected_version`` guards against changes not seen."""

    order_id: UUID
    reason: str
    actor: str
    lines: tuple[StockLine, ...] = ()
    expected_version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """The order, and whether the rest goes on in the background."""

    order: Order
    pending: bool


def cancel(
    command: CancelOrder, *, within: timedelta = INLINE, clock: Clock = utc_now
) -> Cancellation:
    """Cancel the order or some lines; an order that is cancelled stays so.

    Raises OrderNotFound, OrderNotCancellable, LineNotCancellable, StaleVersion.
    """
    saga = _begin(command, clock)
    if saga is not None:
        saga = run_inline("orders", saga, within=within, clock=clock).saga
    order = get_order(command.order_id)
    if saga is not None and isinstance(saga.state, Cancelling) and saga.state.phase is Phase.KEPT:
        raise OrderNotCancellable(order_id=order.id, state=order.state)
    return Cancellation(order=order, pending=saga is not None and saga.status is not Status.DONE)


def _begin(command: CancelOrder, clock: Clock) -> Saga | None:
    """The saga to run inline; None when the order is cancelled already."""
    with atomic("orders"):
        order = lock_order(command.order_id)
        if order is None:
            raise OrderNotFound(reference=str(command.order_id))
        _check_version(order, command.expected_version)
        if order.state is OrderState.CANCELLED and not command.lines:
            return None
        if order.state not in BEING_PLACED:
            return _begin_saga(order, command, clock)
    return _stop_placing(order, command, clock)


def _check_version(order: Order, expected: int | None) -> None:
    if expected is not None and order.version != expected:
        raise StaleVersion(expected=expected, actual=order.version)


def _stop_placing(order: Order, command: CancelOrder, clock: Clock) -> Saga | None:
    if command.lines:
        raise OrderNotCancellable(order_id=order.id, state=order.state)
    detail = command.reason or "cancelled by the shopper"
    data = {"code": PlacingCancelled.code, "detail": detail}
    saga = signal("orders", order.id, Signal(name="cancel", data=data), clock=clock)
    if saga is None or not saga.state.failure_code:  # it was placed a moment ago
        raise OrderNotCancellable(order_id=order.id, state=get_order(order.id).state)
    return take("orders", saga, clock=clock) or saga


def _begin_saga(order: Order, command: CancelOrder, clock: Clock) -> Saga:
    if order.state not in CANCELLABLE or order.failure_code:
        raise OrderNotCancellable(order_id=order.id, state=order.state)
    lines = () if _is_all(order, command.lines) else command.lines
    amount = _amount(order, lines)
    state = Cancelling(
        phase=Phase.STOPPING,
        order_id=order.id,
        reason=command.reason,
        actor=command.actor,
        amount=amount,
        lines=lines,
        names=tuple(_line(order, each.sku).name for each in lines),
        refunded_before=order.refunded,
    )
    saga = start(
        "orders",
        cancelling.TYPE,
        id=new_id(),
        key=str(order.id),  # one cancellation of an order at a time
        subject=str(order.id),
        state=state,
        inline=True,
        clock=clock,
    )
    if saga is None:
        raise OrderNotCancellable(order_id=order.id, state=order.state)
    _note(order, command, lines, clock)
    return saga


def _note(order: Order, command: CancelOrder, lines: Sequence[StockLine], clock: Clock) -> None:
    if lines and not take_lines(order.id, lines):
        raise LineNotCancellable(sku=lines[0].sku, requested=lines[0].quantity, left=0)
    move(
        order.id,
        now=clock(),
        actor=command.actor,
        to=None if lines else OrderState.CANCELLING,
        entries=(Entry(kind="cancellation_requested", detail=command.reason),),
    )


def _is_all(order: Order, lines: Sequence[StockLine]) -> bool:
    """Whether the named lines are all that is left of the order."""
    asked = {line.sku: line.quantity for line in lines}
    return all(asked.get(line.sku, 0) >= _left(line) for line in order.lines) or not lines


def _left(line: OrderLine) -> int:
    return line.quantity - line.cancelled - line.returned


def _amount(order: Order, lines: Sequence[StockLine]) -> Money:
    """What the lines give back. Raises LineNotCancellable."""
    amount = Money.zero(order.total.currency)
    for each in lines:
        line = _line(order, each.sku)
        left = _left(line)
        if each.quantity > left:
            raise LineNotCancellable(sku=each.sku, requested=each.quantity, left=left)
        gone = line.cancelled + line.returned
        amount += share(line.total, of=line.quantity, taken=gone, count=each.quantity)
    return amount


def _line(order: Order, sku: str) -> OrderLine:
    found = next((line for line in order.lines if line.sku == sku), None)
    if found is None:
        raise LineNotCancellable(sku=sku, requested=1, left=0)
    return found
