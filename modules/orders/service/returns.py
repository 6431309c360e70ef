"""Returns: asked for by the shopper, received by the warehouse, settled by a saga."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from modules.inventory.contract import StockLine
from modules.orders.contract import (
    NotReturnable,
    Order,
    OrderNotFound,
    OrderState,
    OrderStateConflict,
    ReturnNotFound,
)
from modules.orders.domain.amounts import share
from modules.orders.domain.states import ORDER, RETURN, RETURNABLE, ReturnState
from modules.orders.returns import (
    GoodsReturn,
    accept_lines,
    find_returns,
    insert_return,
    let_go,
    lock_return,
    move_return,
)
from modules.orders.sagas import returning
from modules.orders.sagas.returning import Phase, Returning
from modules.orders.writing import Entry, lock_order, move
from modules.platform.contracts import Money
from modules.platform.databases import atomic
from modules.platform.rest.identifiers import new_id
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.running import run_inline
from modules.platform.sagas.saga import Saga
from modules.platform.sagas.starting import start

INLINE = timedelta(seconds=4)


def request_return(
    order_id: UUID,
    *,
    lines: Sequence[StockLine],
    reason: str,
    actor: str,
    clock: Clock = utc_now,
) -> GoodsReturn:
    """Announce that goods come back. Raises OrderNotFound, OrderStateConflict, NotReturnable."""
    return_id, now = new_id(), clock()
    with atomic("orders"):
        order = _locked(order_id)
        if order.state not in RETURNABLE:
            raise OrderStateConflict(order_id=order_id, state=order.state, wanted="a return")
        for line in lines:
            _check(order, line)
        if not insert_return(return_id, order_id, reason, lines, now):
            raise NotReturnable(sku=lines[0].sku, reason="it is being returned already")
        detail = ", ".join(f"{line.quantity} x {line.sku}" for line in lines)
        entry = Entry(kind="return_requested", detail=detail)
        move(order_id, now=now, actor=actor, entries=(entry,))
    return get_return(order_id, return_id)


def get_return(order_id: UUID, return_id: UUID) -> GoodsReturn:
    """Raises ReturnNotFound."""
    found = next((each for each in find_returns(order_id) if each.id == return_id), None)
    if found is None:
        raise ReturnNotFound(return_id=return_id)
    return found


def reject_return(
    order_id: UUID, return_id: UUID, *, reason: str, actor: str, clock: Clock = utc_now
) -> GoodsReturn:
    """The shop does not take the goods back. Raises ReturnNotFound, OrderStateConflict."""
    now = clock()
    with atomic("orders"):
        order, found = _locked(order_id), _locked_return(order_id, return_id)
        _require_move(order, found, ReturnState.REJECTED)
        let_go(return_id, order_id)
        move_return(
            return_id, to=ReturnState.REJECTED, sources=(found.state,), now=now, reason=reason
        )
        entry = Entry(kind="return_rejected", detail=reason)
        move(order_id, now=now, actor=actor, entries=(entry,))
    return get_return(order_id, return_id)


def receive_return(
    order_id: UUID,
    return_id: UUID,
    *,
    accepted: Sequence[StockLine] | None,
    restock: bool,
    actor: str,
    clock: Clock = utc_now,
) -> GoodsReturn:
    """The goods are here: give money back for what is ``accepted`` (None: all of it).

    ``restock``: they can be sold again. What is not accepted stays with the shopper's account.
    Receiving again changes nothing. Raises ReturnNotFound, NotReturnable, OrderStateConflict.
    """
    with atomic("orders"):
        order, found = _locked(order_id), _locked_return(order_id, return_id)
        if found.state in (ReturnState.RECEIVED, ReturnState.REFUNDED):
            return found
        _require_move(order, found, ReturnState.RECEIVED)
        lines = _accepted(found, accepted)
        if not accept_lines(return_id, lines):
            raise NotReturnable(sku=lines[0].sku, reason="more than was announced")
        saga = _begin(order, found, lines, restock, actor, clock)
    run_inline("orders", saga, within=INLINE, clock=clock)
    return get_return(order_id, return_id)


def _begin(
    order: Order,
    found: GoodsReturn,
    lines: Sequence[StockLine],
    restock: bool,
    actor: str,
    clock: Clock,
) -> Saga:
    now = clock()
    amount = _amount(order, lines)
    move_return(
        found.id,
        to=ReturnState.RECEIVED,
        sources=(found.state,),
        now=now,
        amount=amount.amount,
    )
    whole = _covers(order, lines) and OrderState.REFUNDING in ORDER[order.state]
    move(
        order.id,
        now=now,
        actor=actor,
        to=OrderState.REFUNDING if whole else None,
        entries=(Entry(kind="return_received", detail=f"{amount}"),),
    )
    state = Returning(
        phase=Phase.GIVING_BACK,
        order_id=order.id,
        return_id=found.id,
        actor=actor,
        reason=found.reason or "returned",
        amount=amount,
        restock=tuple(lines) if restock else (),
    )
    saga = start(
        "orders",
        returning.TYPE,
        id=new_id(),
        key=str(found.id),
        subject=str(order.id),
        state=state,
        inline=True,
        clock=clock,
    )
    assert saga is not None  # noqa: S101  # the return was REQUESTED: nothing settled it yet
    return saga


def _accepted(found: GoodsReturn, accepted: Sequence[StockLine] | None) -> list[StockLine]:
    if accepted is None:
        return [StockLine(sku=line.sku, quantity=line.quantity) for line in found.lines]
    if not accepted:
        raise NotReturnable(sku=found.lines[0].sku, reason="nothing was accepted; reject it")
    return list(accepted)


def _amount(order: Order, lines: Sequence[StockLine]) -> Money:
    amount = Money.zero(order.total.currency)
    sold = {line.sku: line for line in order.lines}
    for each in lines:
        line = sold[each.sku]
        gone = line.cancelled + line.returned
        amount += share(line.total, of=line.quantity, taken=gone, count=each.quantity)
    return amount


def _covers(order: Order, lines: Sequence[StockLine]) -> bool:
    back = {line.sku: line.quantity for line in lines}
    return all(
        line.cancelled + line.returned + back.get(line.sku, 0) >= line.quantity
        for line in order.lines
    )


def _check(order: Order, wanted: StockLine) -> None:
    line = next((line for line in order.lines if line.sku == wanted.sku), None)
    if line is None:
        raise NotReturnable(sku=wanted.sku, reason="it is not in the order")
    left = line.quantity - line.cancelled - line.returned
    if wanted.quantity > left:
        raise NotReturnable(sku=wanted.sku, reason=f"{left} can still come back")


def _locked(order_id: UUID) -> Order:
    order = lock_order(order_id)
    if order is None:
        raise OrderNotFound(reference=str(order_id))
    return order


def _locked_return(order_id: UUID, return_id: UUID) -> GoodsReturn:
    found = lock_return(order_id, return_id)
    if found is None:
        raise ReturnNotFound(return_id=return_id)
    return found


def _require_move(order: Order, found: GoodsReturn, to: ReturnState) -> None:
    if to not in RETURN[found.state]:
        wanted = f"{to} a return that is {found.state}"
        raise OrderStateConflict(order_id=order.id, state=order.state, wanted=wanted)
