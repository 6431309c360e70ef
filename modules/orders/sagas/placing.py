"""Placing an order: the state of its saga and the pure function that moves it.

CHECKOUT -> RESERVING -> AUTHORIZING [-> CONFIRMING] -> COMPLETING -> PLACED
                 any of them -> UNDOING -> FAILED
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from modules.cart.contract import CartSnapshot
from modules.inventory.contract import StockLine
from modules.orders.contract import PlacingTimedOut
from modules.payment.contract import NOT_RECEIVED
from modules.platform.contracts import Money, PostalAddress
from modules.platform.sagas import (
    Answered,
    Decision,
    Do,
    Expired,
    GaveUp,
    Refused,
    SagaEvent,
    Signal,
    Started,
)
from modules.shipping.contract import ShippingQuote

TYPE = "place_order"

# Deadlines of the phases: longer than a dead runner's lease (15 s) and a sweep (5 s), so that a
# crash delays an order and does not fail it; short enough for every saga to rest within a minute.
CHECKOUT_WITHIN = timedelta(seconds=25)
RESERVE_WITHIN = timedelta(seconds=25)
AUTHORIZE_WITHIN = timedelta(seconds=30)  # while payment does not answer at all: again and again
CONFIRM_WITHIN = timedelta(minutes=15)  # the shopper at the bank
RESERVED_FOR = timedelta(minutes=30)  # longer than all of them, so that stock outlives the wait


class Phase(StrEnum):
    """Where placing stands."""

    CHECKOUT = "checkout"
    RESERVING = "reserving"
    AUTHORIZING = "authorizing"
    CONFIRMING = "confirming"  # the shopper confirms with the bank
    COMPLETING = "completing"
    PLACED = "placed"
    UNDOING = "undoing"
    FAILED = "failed"


ENDS = frozenset({Phase.PLACED, Phase.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """All that placing needs to know. ``waiting``: compensations that have not happened yet.

    ``patience``: for how many seconds more payment may be away before the order is given up.
    ``asked_anew``: payment was asked a second time, because the provider never got the first.
    """

    phase: Phase
    order_id: UUID
    cart_id: UUID | None
    owners: frozenset[str]
    actor: str
    email: str
    locale: str
    shipping_address: PostalAddress
    billing_address: PostalAddress | None
    shipping_method: str
    payment_method: str
    owner: str = ""
    lines: tuple[StockLine, ...] = ()
    total: Money | None = None
    reserve_until: datetime | None = None
    next_action: str = ""
    failure_code: str = ""
    failure_detail: str = ""
    waiting: tuple[str, ...] = ()
    patience: float = 0.0
    asked_anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The answer of ``checkout``: what the cart holds and how it is sent."""

    snapshot: CartSnapshot
    quote: ShippingQuote
    reserve_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The answer of ``authorize``. ``next_action``: where the shopper must confirm, or empty.

    ``received``: False when payment gave its request up, for the provider never got it.
    """

    next_action: str = ""
    received: bool = True


def decide(state: Placing, event: SagaEvent) -> Decision | None:
    """Where placing goes from ``state`` when ``event`` happens."""
    match event:
        case Started():
            return _started(state)
        case Answered(late=True):
            return _late(state, event)
        case Answered():
            return _answered(state, event)
        case Refused():
            return _undo(state, event.code, event.detail)
        case Expired():
            return _expired(state, event)
        case Signal():
            return _signal(state, event)
        case GaveUp():  # the order is told, the phase stays
            return Decision(state=replace(state)) if state.phase is Phase.UNDOING else None


_EXPIRED = {
    Phase.CHECKOUT: (PlacingTimedOut.code, "The cart or shipping did not answer in time."),
    Phase.RESERVING: (PlacingTimedOut.code, "Stock could not be reserved in time."),
    Phase.AUTHORIZING: (PlacingTimedOut.code, "The payment could not be settled in time."),
    Phase.CONFIRMING: ("payment.not_confirmed", "The payment was not confirmed in time."),
}


# Codes of errors with which not payment itself answers, but the way to it: it is away.
_AWAY = ("rpc.", "discovery.", "fenced", "moved")


def _expired(state: Placing, event: Expired) -> Decision | None:
    away = state.phase is Phase.AUTHORIZING and event.errors.get("authorize", "").startswith(_AWAY)
    if not away:
        return _undo(state, *_EXPIRED[state.phase])
    if state.patience > 0:
        wait = min(AUTHORIZE_WITHIN, timedelta(seconds=state.patience))
        left = replace(state, patience=state.patience - wait.total_seconds())
        return Decision(state=left, deadline=wait)
    # The shopper is told without waiting for payment once more: it is asked to give back, and
    # hears that the order has failed, whenever it is back.
    return _undo(state, *_EXPIRED[state.phase], unheard=("cancel_payment",))


def _started(state: Placing) -> Decision:
    if state.phase is Phase.RESERVING:  # a draft: nothing to check out
        return Decision(state=state, commands=(Do(kind="reserve"),), deadline=RESERVE_WITHIN)
    return Decision(state=state, commands=(Do(kind="checkout"),), deadline=CHECKOUT_WITHIN)


def _answered(state: Placing, event: Answered) -> Decision | None:
    match state.phase, event.kind:
        case Phase.CHECKOUT, "checkout":
            return _checked_out(state, event.result)
        case Phase.RESERVING, "reserve":
            return _reserved(state)
        case Phase.AUTHORIZING, "authorize":
            return _authorized(state, event.result)
        case Phase.COMPLETING, "complete_cart":
            return Decision(state=replace(state, phase=Phase.PLACED))
        case Phase.UNDOING, kind if kind in state.waiting:
            return _undone(state, kind)
        case _:
            return None


def _checked_out(state: Placing, found: Checkout) -> Decision:
    cart = found.snapshot
    after = replace(
        state,
        phase=Phase.RESERVING,
        owner=cart.owner,
        lines=tuple(StockLine(sku=line.sku, quantity=line.quantity) for line in cart.lines),
        total=cart.total + found.quote.price,
        reserve_until=found.reserve_until,
        shipping_method=found.quote.method,
    )
    return Decision(state=after, commands=(Do(kind="reserve"),), deadline=RESERVE_WITHIN)


def _reserved(state: Placing) -> Decision:
    if state.total is not None and state.total.amount == 0:
        return _place(state)
    after = replace(state, phase=Phase.AUTHORIZING)
    return Decision(state=after, commands=(Do(kind="authorize"),), deadline=AUTHORIZE_WITHIN)


def _authorized(state: Placing, answer: Authorization) -> Decision | None:
    if not answer.received:
        return _ask_anew(state)
    if answer.next_action:
        after = replace(state, phase=Phase.CONFIRMING, next_action=answer.next_action)
        return Decision(state=after, deadline=CONFIRM_WITHIN)
    return _place(state)


def _ask_anew(state: Placing) -> Decision | None:
    """Whoever asked died between noting it down and asking: no reason to give the order up.

    Once: a provider that does not get the second either is not to be reached.
    """
    if state.asked_anew:
        return _undo(state, "payment.declined", f"The payment was declined ({NOT_RECEIVED}).")
    after = replace(state, asked_anew=True)
    return Decision(state=after, commands=(Do(kind="authorize"),), deadline=AUTHORIZE_WITHIN)


def _place(state: Placing) -> Decision:
    """The order stands. What is left is the cart's, and it must happen."""
    if state.cart_id is None:
        return Decision(state=replace(state, phase=Phase.PLACED, next_action=""))
    after = replace(state, phase=Phase.COMPLETING, next_action="")
    return Decision(state=after, commands=(Do(kind="complete_cart", undoes=True),))


def _signal(state: Placing, event: Signal) -> Decision | None:
    paying = state.phase in (Phase.AUTHORIZING, Phase.CONFIRMING)
    match event.name:
        case "payment_authorized" if paying:
            return _place(state)
        case "payment_declined" if event.data.get("code") == NOT_RECEIVED:
            return None  # who asks again hears it as the answer
        case "payment_declined" if paying:
            code = event.data.get("code", "declined")
            return _undo(state, "payment.declined", f"The payment was declined ({code}).")
        case "payment_authorized" if state.phase in (Phase.UNDOING, Phase.FAILED):
            return _undo_more(state, "cancel_payment")
        case "cancel" | "reservation_expired" | "abandon":
            return _undo(state, event.data["code"], event.data["detail"])
        case _:
            return None


# With these no money stands; after any other refusal of a payment it is asked to give back.
_NOTHING_PAID = frozenset({"payment.declined", "payment.method_unknown"})


def _undo(
    state: Placing, code: str, detail: str, *, unheard: tuple[str, ...] = ()
) -> Decision | None:
    kinds: tuple[str, ...]
    match state.phase:
        case Phase.CHECKOUT:
            # Also after the cart's own refusal: an earlier attempt may have locked it unheard.
            kinds = ("reopen_cart",)
        case Phase.RESERVING:
            kinds = ("release_stock", "reopen_cart")
        case Phase.AUTHORIZING | Phase.CONFIRMING:
            pays_back = () if code in _NOTHING_PAID else ("cancel_payment",)
            kinds = (*pays_back, "release_stock", "reopen_cart")
        case _:
            return None
    if state.cart_id is None:
        kinds = tuple(kind for kind in kinds if kind != "reopen_cart")
    failed = replace(state, failure_code=code, failure_detail=detail, next_action="")
    return _undoing(failed, kinds, unheard)


def _undoing(state: Placing, kinds: tuple[str, ...], unheard: tuple[str, ...] = ()) -> Decision:
    """Give back ``kinds``; the order has failed when all but the ``unheard`` have answered."""
    waiting = tuple(kind for kind in kinds if kind not in unheard)
    return Decision(
        state=replace(state, phase=Phase.UNDOING if waiting else Phase.FAILED, waiting=waiting),
        commands=tuple(Do(kind=kind, undoes=True) for kind in (*waiting, *unheard)),
    )


def _undone(state: Placing, kind: str) -> Decision:
    left = list(state.waiting)
    left.remove(kind)
    phase = Phase.UNDOING if left else Phase.FAILED
    return Decision(state=replace(state, phase=phase, waiting=tuple(left)))


# What a command does to the world when it takes effect after placing has moved on.
_UNDONE_BY = {"checkout": "reopen_cart", "reserve": "release_stock", "authorize": "cancel_payment"}


def _late(state: Placing, event: Answered) -> Decision | None:
    if state.phase not in (Phase.UNDOING, Phase.FAILED) or event.kind not in _UNDONE_BY:
        return None
    return _undo_more(state, _UNDONE_BY[event.kind])


def _undo_more(state: Placing, kind: str) -> Decision:
    after = replace(state, phase=Phase.UNDOING, waiting=(*state.waiting, kind))
    return Decision(state=after, commands=(Do(kind=kind, undoes=True),))
