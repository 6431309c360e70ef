"""What the database itself refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from modules.payment import models

pytestmark = pytest.mark.django_db


def make(**given) -> models.Payment:
    defaults = {
        "order_id": uuid4(),
        "owner": "customer:1",
        "provider": "standin",
        "method": "card_ok",
        "currency": "EUR",
        "amount": 100,
        "state": "authorized",
        "authorized": 100,
    }
    return models.Payment.objects.create(**(defaults | given))


def entry(payment: models.Payment, **given) -> models.LedgerEntry:
    defaults = {
        "payment": payment,
        "order_id": payment.order_id,
        "kind": "capture",
        "debit": "taken",
        "credit": "held",
        "amount": 5,
        "currency": "EUR",
        "source": "command",
    }
    return models.LedgerEntry.objects.create(**(defaults | given))


def refuses(constraint: str):
    return pytest.raises(IntegrityError, match=constraint)


def test_an_order_has_one_effective_payment():
    """A second payment that is neither declined nor voided is refused."""
    order_id = uuid4()
    make(order_id=order_id)
    with refuses("payment_one_effective_per_order"):
        make(order_id=order_id)


@pytest.mark.parametrize("over", ["declined", "voided"])
def test_after_one_that_is_over_another_may_come(over):
    """A declined or voided payment does not stand in the way of the next."""
    order_id = uuid4()
    make(order_id=order_id, state=over)
    make(order_id=order_id)


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"amount": 0}, "payment_amount_positive"),
        ({"captured": 101}, "payment_capture_within_authorization"),
        ({"captured": 60, "voided": 41}, "payment_capture_within_authorization"),
        ({"captured": 50, "refunded": 51}, "payment_refund_within_capture"),
        ({"captured": 50, "refunded": 30, "refunding": 21}, "payment_refund_within_capture"),
        ({"state": "lost"}, "payment_state"),
        ({"claim": "lost"}, "payment_claim"),
    ],
)
def test_impossible_payments_are_refused(wrong, constraint):
    """Totals that contradict each other never reach the table."""
    with refuses(constraint):
        make(**wrong)


def test_a_providers_reference_belongs_to_one_payment():
    """Two payments cannot be the same charge."""
    make(reference="ch_1")
    with refuses("payment_reference"):
        make(reference="ch_1")


def test_an_attempt_number_is_used_once():
    """UNIQUE (order, operation, attempt): the provider's key is derived from it."""
    payment = make()
    given = {"payment": payment, "order_id": payment.order_id, "operation": "capture"}
    models.Attempt.objects.create(**given, attempt=1, amount=5, state="due")
    with refuses("payment_attempt_once"):
        models.Attempt.objects.create(**given, attempt=1, amount=5, state="due")


def test_a_command_has_one_attempt():
    """UNIQUE (order, operation, key): the same command is never stored twice."""
    payment = make()
    given = {"payment": payment, "order_id": payment.order_id, "operation": "capture", "key": "k"}
    models.Attempt.objects.create(**given, attempt=1, amount=5, state="due")
    with refuses("payment_attempt_key"):
        models.Attempt.objects.create(**given, attempt=2, amount=5, state="due")


def test_only_refunds_have_a_refund():
    """A refund's attempt names its refund, and no other attempt does."""
    payment = make()
    given = {"payment": payment, "order_id": payment.order_id, "amount": 5, "state": "due"}
    with refuses("attempt_refund"):
        models.Attempt.objects.create(**given, operation="refund", attempt=1)


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [({"amount": 0}, "payment_ledger_positive"), ({"debit": "free"}, "payment_ledger_accounts")],
)
def test_wrong_ledger_lines_are_refused(wrong, constraint):
    """A line is of a positive amount between the two accounts of its kind."""
    with refuses(constraint):
        entry(make(), **wrong)


def test_the_ledger_cannot_be_changed():
    """The database refuses to change a line, whoever asks."""
    line = entry(make())
    with transaction.atomic("payment"), pytest.raises(IntegrityError, match="append-only"):
        models.LedgerEntry.objects.filter(pk=line.pk).update(amount=6)


def test_the_ledger_cannot_be_shortened():
    """The database refuses to remove a line, whoever asks."""
    line = entry(make())
    with transaction.atomic("payment"), pytest.raises(IntegrityError, match="append-only"):
        models.LedgerEntry.objects.filter(pk=line.pk).delete()


def test_a_webhook_is_stored_once():
    """UNIQUE (provider, message id)."""
    given = {"provider": "standin", "message_id": "m", "type": "t", "payload": "{}"}
    models.WebhookMessage.objects.create(**given, received_at=datetime.now(UTC))
    with refuses("payment_webhook_once"):
        models.WebhookMessage.objects.create(**given)
