"""Placing an order: the use case behind ``POST /orders``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from prometheus_client import Counter

from modules.cart.contract import CartLocked
from modules.orders.contract import CartBeingOrdered, Order, OrderState
from modules.orders.queries import find_orders
from modules.orders.sagas import placing
from modules.orders.sagas.placing import Phase, Placing
from modules.orders.writing import Entry, tell
from modules.platform.contracts import ContractError, PostalAddress, Unavailable
from modules.platform.databases import atomic
from modules.platform.rest.identifiers import new_id
from modules.platform.sagas import Signal, store
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.running import Run, run_inline
from modules.platform.sagas.saga import Saga, Status
from modules.platform.sagas.starting import signal, start, take

# A shopper waits this long at most; a slow payment goes on in the background (202).
INLINE = timedelta(seconds=4)
LOOK_AGAIN = 5  # seconds, for an order that waits for payment
PLACED = Counter("ficus_orders_placed_total", "Orders asked for, by how it ended", ["outcome"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    """A shopper's wish. ``owners``: whose cart it may be."""

    cart_id: UUID
    owners: frozenset[str]
    email: str
    shipping_address: PostalAddress
    payment_method: str
    shipping_method: str = ""
    billing_address: PostalAddress | None = None
    locale: str = "en"
    actor: str = "shopper"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """An order that stands, goes on in the background (``pending``), or was there ``before``.

    ``look_again``: after how many seconds a pending one may be worth a look.
    """

    order: Order
    pending: bool = False
    before: bool = False
    look_again: int = 1


class OrderFailure(Exception):
    """The order could not be placed; all is given back, or is being given back.

    ``cause`` is the other module's error where one was met; ``order_id`` is set when the order is
    kept as cancelled.
    """

    def __init__(
        self, code: str, detail: str, *, cause: ContractError | None, order_id: UUID | None
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.cause, self.order_id = code, detail, cause, order_id


def place(
    command: PlaceOrder,
    *,
    order_id: UUID | None = None,
    within: timedelta = INLINE,
    clock: Clock = utc_now,
) -> Placement:
    """Turn the cart into an order.

    ``order_id``: what it is to be; where that was begun before, it is brought to its end, and that
    is answered. Raises OrderFailure, CartBeingOrdered; Unavailable when cart or shipping do not
    answer (then nothing is kept).
    """
    order_id = order_id or new_id()
    saga = begin(_placing(order_id, command), clock=clock)
    if saga is None:
        return _go_on(order_id, command, within=within, clock=clock)
    run = run_inline("orders", saga, within=within, clock=clock)
    return outcome(run, owners=command.owners, clock=clock)


def begin(state: Placing, *, clock: Clock) -> Saga | None:
    """The saga of an order, which this process runs first; None where there is one already."""
    of = str(state.order_id)
    return start(
        "orders",
        placing.TYPE,
        id=state.order_id,
        key=of,
        subject=of,
        state=state,
        inline=True,
        clock=clock,
    )


def _go_on(order_id: UUID, command: PlaceOrder, *, within: timedelta, clock: Clock) -> Placement:
    """A request for it died on the way. Whoever runs it now is left alone."""
    saga = store.load("orders", order_id)
    assert saga is not None  # noqa: S101  # sagas are kept for longer than keys
    held = take("orders", saga, clock=clock) if saga.status is Status.RUNNING else None
    if held is None and saga.state.phase is Phase.CHECKOUT:
        raise CartBeingOrdered(cart_id=command.cart_id)
    run = Run(saga=saga) if held is None else run_inline("orders", held, within=within, clock=clock)
    return outcome(run, owners=command.owners, clock=clock)


def _placing(order_id: UUID, command: PlaceOrder) -> Placing:
    return Placing(
        phase=Phase.CHECKOUT,
        order_id=order_id,
        cart_id=command.cart_id,
        owners=command.owners,
        actor=command.actor,
        email=command.email.strip().lower(),
        locale=command.locale,
        shipping_address=command.shipping_address,
        billing_address=command.billing_address,
        shipping_method=command.shipping_method,
        payment_method=command.payment_method,
        patience=patience(),
    )


def patience() -> float:
    """Seconds for which an order waits for a payment module that does not answer."""
    return float(getattr(settings, "PAYMENT_PATIENCE", 0.0))


def outcome(run: Run, *, owners: frozenset[str], clock: Clock = utc_now) -> Placement:
    """What to tell the shopper about a placement that was just run."""
    state: Placing = run.saga.state
    match state.phase:
        case Phase.CHECKOUT:
            _abandon(run, clock)
        case Phase.UNDOING | Phase.FAILED:
            if isinstance(run.error, CartLocked):
                return _ordered_before(run.error, owners)
            _refuse(state, run.error)
        case Phase.COMPLETING | Phase.PLACED:
            PLACED.labels("confirmed").inc()
            return Placement(order=_order(state.order_id))
        case Phase.AUTHORIZING if isinstance(run.error, Unavailable):
            return _waiting_for_payment(state, run.error, clock)
        case _:
            pass
    PLACED.labels("pending").inc()
    return Placement(order=_order(state.order_id), pending=True)


def _waiting_for_payment(state: Placing, error: Unavailable, clock: Clock) -> Placement:
    """It goes on by itself; whoever looks at the order meanwhile sees what it waits for."""
    PLACED.labels("pending").inc()
    entry = Entry(kind="payment_awaited", detail=f"{error.code}: {error.sentence()}"[:500])
    with atomic("orders"):
        tell(state.order_id, entry, actor="system", now=clock())
    return Placement(order=_order(state.order_id), pending=True, look_again=LOOK_AGAIN)


def _order(order_id: UUID) -> Order:
    (order,) = find_orders((order_id,))
    return order


def _refuse(state: Placing, error: ContractError | None) -> None:
    PLACED.labels(state.failure_code).inc()
    cause = error if error is not None and error.code == state.failure_code else None
    kept = state.order_id if state.lines else None
    raise OrderFailure(state.failure_code, state.failure_detail, cause=cause, order_id=kept)


def _abandon(run: Run, clock: Clock) -> None:
    """Nothing is reserved or ordered yet: better to ask the shopper again than to go on later."""
    data = {"code": "orders.unavailable", "detail": "The cart or shipping did not answer."}
    signal("orders", run.saga.id, Signal(name="abandon", data=data), clock=clock)
    PLACED.labels("unavailable").inc()
    raise run.error if isinstance(run.error, Unavailable) else Unavailable()


def _ordered_before(locked: CartLocked, owners: frozenset[str]) -> Placement:
    found = find_orders((locked.order_id,))
    if not found or found[0].state is OrderState.CANCELLING:
        raise CartBeingOrdered(cart_id=locked.cart_id)
    order = found[0]
    if order.owner not in owners or order.state is OrderState.CANCELLED:
        raise locked
    pending = order.state in (OrderState.PENDING, OrderState.RESERVED)
    return Placement(order=order, pending=pending, before=True)
