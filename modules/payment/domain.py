"""The rules of payments, without Django: states, what a provider's word changes, what is left.

A provider is believed by totals, not by the order of its messages: each of its answers and
webhooks carries how much was authorized, captured, voided and refunded so far. These only grow,
so taking the larger of what is known and what is said makes an early, doubled or late message
harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from modules.payment.contract import PaymentState, RefundState

S = PaymentState

MONEY = frozenset(
    {S.AUTHORIZED, S.PARTIALLY_CAPTURED, S.CAPTURED, S.PARTIALLY_REFUNDED, S.REFUNDED}
)
# A word of the provider may tell of several steps at once: a lost capture shows up with its
# authorization. Out of VOIDED and DECLINED leads only a charge that was believed not to exist.
TRANSITIONS: dict[PaymentState, frozenset[PaymentState]] = {
    S.CREATED: frozenset({S.UNKNOWN, S.REQUIRES_ACTION, S.DECLINED, S.VOIDED}) | MONEY,
    S.UNKNOWN: frozenset({S.REQUIRES_ACTION, S.DECLINED, S.VOIDED}) | MONEY,
    S.REQUIRES_ACTION: frozenset({S.DECLINED, S.VOIDED}) | MONEY,
    S.AUTHORIZED: (MONEY | {S.VOIDED}) - {S.AUTHORIZED},
    S.PARTIALLY_CAPTURED: frozenset({S.CAPTURED, S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.CAPTURED: frozenset({S.PARTIALLY_REFUNDED, S.REFUNDED}),
    S.PARTIALLY_REFUNDED: frozenset({S.REFUNDED}),
    S.REFUNDED: frozenset(),
    S.VOIDED: MONEY,
    S.DECLINED: MONEY,
}
OVER = frozenset({S.DECLINED, S.VOIDED})  # no payment any more: the order may try another
AT_REST = frozenset({S.DECLINED, S.VOIDED, S.REFUNDED})  # nothing of the shopper's money is here
UNANSWERED = frozenset({S.CREATED, S.UNKNOWN})

UNCLAIMED_AFTER = timedelta(seconds=30)  # half of the minute in which money must find its order
# A request not seen at the provider by now never will be: thrice the longest call (CALL_LIMIT).
SETTLED_AFTER = timedelta(seconds=30)


class Claim(StrEnum):
    """What the order has said of the payment."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"


class Operation(StrEnum):
    """What a provider is asked to do."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


class AttemptState(StrEnum):
    """Where one request to a provider stands."""

    DUE = "due"  # nothing has left this house yet
    SENT = "sent"  # somebody asks now, or died asking
    UNKNOWN = "unknown"  # asked; the answer got lost
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    SUPERSEDED = "superseded"  # no longer wanted


OPEN_ATTEMPTS = (AttemptState.DUE, AttemptState.SENT, AttemptState.UNKNOWN)


class MessageState(StrEnum):
    """Where a provider's message stands. PARKED: it names a payment that is not known yet."""

    RECEIVED = "received"
    PARKED = "parked"
    PROCESSED = "processed"
    IGNORED = "ignored"


OPEN_MESSAGES = (MessageState.RECEIVED, MessageState.PARKED)


class EntryKind(StrEnum):
    """A line of the ledger."""

    AUTHORIZATION = "authorization"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


# Kind to (debit, credit). The shopper's money is ``free``, ``held`` for us, or ``taken``.
ACCOUNTS: dict[EntryKind, tuple[str, str]] = {
    EntryKind.AUTHORIZATION: ("held", "free"),
    EntryKind.CAPTURE: ("taken", "held"),
    EntryKind.VOID: ("free", "held"),
    EntryKind.REFUND: ("free", "taken"),
}


class ChargeStatus(StrEnum):
    """What a provider calls a charge, apart from its totals."""

    PROCESSING = "processing"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRefund:
    """One refund as the provider knows it. ``refund_id`` is ours, None for one made elsewhere."""

    reference: str
    refund_id: UUID | None
    amount: int
    state: RefundState


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """All that a provider says of one payment; amounts in minor units and in total so far."""

    reference: str
    payment_id: UUID | None
    order_id: UUID | None
    status: ChargeStatus
    currency: str
    amount: int
    authorized: int
    captured: int
    voided: int
    created_at: datetime
    refunds: tuple[ChargeRefund, ...] = ()
    decline_code: str = ""
    next_action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a payment stands: its state and its totals."""

    state: PaymentState
    authorized: int = 0
    captured: int = 0
    voided: int = 0
    refunded: int = 0

    @property
    def capturable(self) -> int:
        return self.authorized - self.captured - self.voided

    @property
    def refundable(self) -> int:
        return self.captured - self.refunded


class IllegalTransition(Exception):
    """A payment would take a step that the table does not know."""

    def __init__(self, frm: PaymentState, to: PaymentState) -> None:
        super().__init__(f"a payment cannot go from {frm} to {to}")


def check(frm: PaymentState, to: PaymentState) -> PaymentState:
    """``to``, if the table allows it. Raises IllegalTransition."""
    if to is not frm and to not in TRANSITIONS[frm]:
        raise IllegalTransition(frm, to)
    return to


def moved(before: Position, said: Charge, *, newly_refunded: int = 0) -> Position:
    """Where the payment stands after the provider's word. Raises IllegalTransition.

    ``newly_refunded``: the sum of the refunds in ``said`` that were not known to have succeeded.
    """
    captured = max(before.captured, said.captured)
    voided = max(before.voided, said.voided)
    totals = Position(
        state=before.state,
        authorized=max(before.authorized, said.authorized, captured + voided),
        captured=captured,
        voided=voided,
        refunded=before.refunded + newly_refunded,
    )
    state = check(before.state, _state(totals, said.status))
    return Position(
        state=state,
        authorized=totals.authorized,
        captured=totals.captured,
        voided=totals.voided,
        refunded=totals.refunded,
    )


def _state(totals: Position, status: ChargeStatus) -> PaymentState:
    if totals.authorized == 0:
        return _without_money(totals.state, status)
    if totals.refunded:
        whole = totals.refundable == 0 and totals.capturable == 0
        return S.REFUNDED if whole else S.PARTIALLY_REFUNDED
    if totals.captured:
        return S.PARTIALLY_CAPTURED if totals.capturable else S.CAPTURED
    return S.AUTHORIZED if totals.capturable else S.VOIDED


def _without_money(present: PaymentState, status: ChargeStatus) -> PaymentState:
    if present in OVER:
        return present
    match status:
        case ChargeStatus.REQUIRES_ACTION:
            return S.REQUIRES_ACTION
        case ChargeStatus.DECLINED:
            return S.DECLINED
        case ChargeStatus.VOIDED:
            return S.VOIDED
        case _:
            return present


def entries(before: Position, after: Position) -> tuple[tuple[EntryKind, int], ...]:
    """The ledger's lines for a step, in the order of the books; refunds as one sum."""
    grown = (
        (EntryKind.AUTHORIZATION, after.authorized - before.authorized),
        (EntryKind.CAPTURE, after.captured - before.captured),
        (EntryKind.VOID, after.voided - before.voided),
        (EntryKind.REFUND, after.refunded - before.refunded),
    )
    return tuple((kind, amount) for kind, amount in grown if amount > 0)


def is_stray(before: Position, after: Position) -> bool:
    """Whether money turned up for a payment that had been given up as never made."""
    return before.state in OVER and after.state not in OVER


def closing_step(position: Position) -> Operation | None:
    """What must be asked next so that nothing of the shopper's money stays; None: nothing.

    Of an unanswered payment it is not known yet; the caller must ask for its outcome first.
    """
    if position.state is S.REQUIRES_ACTION or position.capturable > 0:
        return Operation.VOID
    if position.refundable > 0:
        return Operation.REFUND
    return None


def provider_key(order_id: UUID, operation: str, attempt: int) -> str:
    """The idempotency key that the provider sees: the same attempt is never done twice."""
    return f"{order_id}:{operation}:{attempt}"


def pause(tries: int, chance: float) -> timedelta:
    """How long to wait after ``tries`` failures: doubling from 1 s to 5 min, jittered by half."""
    return timedelta(seconds=min(300.0, 2.0 ** min(tries, 9)) * (0.5 + chance / 2))
