"""The rules of payments, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules.payment.contract import PaymentState, RefundState
from modules.payment.domain import (
    ACCOUNTS,
    AT_REST,
    TRANSITIONS,
    Charge,
    ChargeRefund,
    ChargeStatus,
    EntryKind,
    IllegalTransition,
    Operation,
    Position,
    check,
    closing_step,
    entries,
    is_stray,
    moved,
    pause,
    provider_key,
)

S = PaymentState
ORDER = uuid4()


def charge(status: ChargeStatus = ChargeStatus.AUTHORIZED, **totals) -> Charge:
    defaults = {"authorized": 100, "captured": 0, "voided": 0}
    return Charge(
        reference="ch_1",
        payment_id=None,
        order_id=None,
        status=status,
        currency="EUR",
        amount=100,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        **(defaults | totals),
    )


def test_every_state_has_a_row_in_the_table():
    """The transition table knows all states and leads to known ones only."""
    assert set(TRANSITIONS) == set(PaymentState)
    assert all(to in PaymentState for row in TRANSITIONS.values() for to in row)


@pytest.mark.parametrize(
    ("frm", "to"),
    [
        (S.CAPTURED, S.AUTHORIZED),
        (S.CAPTURED, S.VOIDED),
        (S.REFUNDED, S.CAPTURED),
        (S.AUTHORIZED, S.DECLINED),
        (S.AUTHORIZED, S.UNKNOWN),
        (S.PARTIALLY_REFUNDED, S.CAPTURED),
    ],
)
def test_money_never_goes_backwards(frm, to):
    """A step that the table does not know is refused."""
    with pytest.raises(IllegalTransition):
        check(frm, to)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (charge(), S.AUTHORIZED),
        (charge(captured=40), S.PARTIALLY_CAPTURED),
        (charge(captured=40, voided=60), S.CAPTURED),
        (charge(captured=100), S.CAPTURED),
        (charge(voided=100), S.VOIDED),
        (charge(ChargeStatus.DECLINED, authorized=0), S.DECLINED),
        (charge(ChargeStatus.REQUIRES_ACTION, authorized=0), S.REQUIRES_ACTION),
        (charge(ChargeStatus.VOIDED, authorized=0), S.VOIDED),
        (charge(ChargeStatus.PROCESSING, authorized=0), S.CREATED),
    ],
)
def test_the_providers_totals_give_the_state(said, state):
    """The state of a payment follows from what was authorized, captured, voided so far."""
    assert moved(Position(state=S.CREATED), said).state is state


def test_refunds_give_the_state():
    """A refund of a part and of all of it are told apart."""
    captured = moved(Position(state=S.CREATED), charge(captured=100))
    part = moved(captured, charge(captured=100), newly_refunded=30)
    assert (part.state, part.refundable) == (S.PARTIALLY_REFUNDED, 70)
    whole = moved(part, charge(captured=100), newly_refunded=70)
    assert whole.state is S.REFUNDED


LIFE = [
    charge(ChargeStatus.REQUIRES_ACTION, authorized=0),
    charge(),
    charge(ChargeStatus.CAPTURED, captured=30),
    charge(ChargeStatus.CAPTURED, captured=70),
    charge(ChargeStatus.CAPTURED, captured=70, voided=30),
]


@given(st.lists(st.sampled_from(LIFE), max_size=12))
def test_late_early_and_doubled_words_change_nothing(words):
    """Whatever order the provider's words come in, the last of them decides."""
    position = Position(state=S.CREATED)
    for word in [*words, LIFE[-1], *words]:
        position = moved(position, word)
    assert position == moved(Position(state=S.CREATED), LIFE[-1])


@given(st.lists(st.sampled_from(LIFE), max_size=12))
def test_the_ledger_sums_up_to_the_totals(words):
    """The lines written step by step add up to the position, and no account goes negative."""
    position, accounts = Position(state=S.CREATED), {"free": 0, "held": 0, "taken": 0}
    for before, after in pairwise([position, *_positions(position, words)]):
        for kind, amount in entries(before, after):
            debit, credit = ACCOUNTS[kind]
            accounts[debit] += amount
            accounts[credit] -= amount
        position = after
        assert accounts["held"] == position.capturable
        assert accounts["taken"] == position.refundable
        assert sum(accounts.values()) == 0


def _positions(position, words):
    for word in words:
        position = moved(position, word)
        yield position


def test_every_kind_of_entry_has_its_accounts():
    """No movement of money is without a debit and a credit."""
    assert set(ACCOUNTS) == set(EntryKind)
    assert all(debit != credit for debit, credit in ACCOUNTS.values())


def test_a_charge_for_a_declined_payment_is_a_stray():
    """Money that turns up after the payment was given up is recognised."""
    given_up = Position(state=S.DECLINED)
    assert is_stray(given_up, moved(given_up, charge()))
    voided = Position(state=S.VOIDED, authorized=100, voided=100)
    assert not is_stray(voided, moved(voided, charge()))


@pytest.mark.parametrize(
    ("position", "step"),
    [
        (Position(state=S.REQUIRES_ACTION), Operation.VOID),
        (Position(state=S.AUTHORIZED, authorized=100), Operation.VOID),
        (Position(state=S.PARTIALLY_CAPTURED, authorized=100, captured=40), Operation.VOID),
        (Position(state=S.CAPTURED, authorized=100, captured=100), Operation.REFUND),
        (Position(state=S.DECLINED), None),
        (Position(state=S.VOIDED, authorized=100, voided=100), None),
        (Position(state=S.REFUNDED, authorized=9, captured=9, refunded=9), None),
    ],
)
def test_closing_asks_for_what_is_left(position, step):
    """What is held is voided first; what was taken is refunded then."""
    assert closing_step(position) is step


def test_closing_ends_at_rest():
    """Doing what closing asks for leads to a state in which nothing is held or taken."""
    position = Position(state=S.PARTIALLY_CAPTURED, authorized=100, captured=40)
    voided = moved(position, charge(captured=40, voided=60))
    refund = ChargeRefund(reference="r", refund_id=None, amount=40, state=RefundState.SUCCEEDED)
    said = replace(charge(captured=40, voided=60), refunds=(refund,))
    assert moved(voided, said, newly_refunded=40).state in AT_REST


def test_provider_keys_differ_by_attempt():
    """One attempt has one key for ever; the next attempt has another."""
    assert provider_key(ORDER, "capture", 1) == provider_key(ORDER, "capture", 1)
    assert provider_key(ORDER, "capture", 1) != provider_key(ORDER, "capture", 2)
    assert provider_key(ORDER, "capture", 1) != provider_key(ORDER, "refund", 1)


def test_pauses_double_and_end_at_five_minutes():
    """Retries slow down, with jitter, and never stop for longer than five minutes."""
    assert [pause(n, 1.0).total_seconds() for n in (0, 1, 2, 20)] == [1, 2, 4, 300]
    assert pause(2, 0.0).total_seconds() == 2
