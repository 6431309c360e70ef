"""Payment's tables. One payment and two attempts per order, one ledger line per movement of money:
all grow with orders and are kept. Webhook messages are the provider's, kept as long.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from modules.payment.contract import PaymentState, RefundState
from modules.payment.domain import (
    ACCOUNTS,
    OPEN_ATTEMPTS,
    OPEN_MESSAGES,
    OVER,
    AttemptState,
    Claim,
    EntryKind,
    MessageState,
    Operation,
    Position,
)
from modules.platform.rest.identifiers import new_id


def _one_of(field: str, values: Iterable[StrEnum]) -> Q:
    return Q(**{f"{field}__in": [str(value) for value in values]})


class Payment(models.Model):
    """One payment of one order. Totals are the ledger's, kept beside it for speed.

    ``refunding`` is asked back and not answered yet. ``stray``: the provider has a charge that
    the order was told does not exist; it is given back without asking anybody. ``due_at``: when
    the reconciler looks at it next.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    order_id = models.UUIDField(db_index=True)
    owner = models.CharField(max_length=100)
    email = models.CharField(max_length=254, blank=True)
    provider = models.CharField(max_length=16)
    method = models.CharField(max_length=200)
    state = models.CharField(
        max_length=24, choices=[(s.value, s.value) for s in PaymentState], default="created"
    )
    claim = models.CharField(
        max_length=12, choices=[(c.value, c.value) for c in Claim], default=Claim.OPEN
    )
    stray = models.BooleanField(default=False)
    currency = models.CharField(max_length=3)
    amount = models.BigIntegerField()
    authorized = models.BigIntegerField(default=0)
    captured = models.BigIntegerField(default=0)
    voided = models.BigIntegerField(default=0)
    refunded = models.BigIntegerField(default=0)
    refunding = models.BigIntegerField(default=0)
    reference = models.CharField(max_length=255, blank=True)
    decline_code = models.CharField(max_length=64, blank=True)
    next_action = models.CharField(max_length=2000, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    tries = models.SmallIntegerField(default=0)
    version = models.IntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        permissions = [
            ("capture_payment", "Can capture payments"),
            ("void_payment", "Can void payments"),
            ("refund_payment", "Can refund payments"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["order_id"],
                condition=~Q(state__in=[str(s) for s in sorted(OVER)]) & Q(stray=False),
                name="payment_one_effective_per_order",
            ),
            models.UniqueConstraint(
                fields=["provider", "reference"],
                condition=~Q(reference=""),
                name="payment_reference",
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=Q(captured__gte=0)
                & Q(voided__gte=0)
                & Q(authorized__gte=F("captured") + F("voided")),
                name="payment_capture_within_authorization",
            ),
            models.CheckConstraint(
                condition=Q(refunded__gte=0)
                & Q(refunding__gte=0)
                & Q(captured__gte=F("refunded") + F("refunding")),
                name="payment_refund_within_capture",
            ),
            models.CheckConstraint(condition=_one_of("state", PaymentState), name="payment_state"),
            models.CheckConstraint(condition=_one_of("claim", Claim), name="payment_claim"),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="payment_due")
        ]

    def __str__(self) -> str:
        return f"payment {self.id}"

    @property
    def position(self) -> Position:
        return Position(
            state=PaymentState(self.state),
            authorized=self.authorized,
            captured=self.captured,
            voided=self.voided,
            refunded=self.refunded,
        )


class Refund(models.Model):
    """Money on its way back."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    state = models.CharField(
        max_length=12,
        choices=[(s.value, s.value) for s in RefundState],
        default=RefundState.PENDING,
    )
    amount = models.BigIntegerField()
    reason = models.CharField(max_length=500, blank=True)
    reference = models.CharField(max_length=255, blank=True)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_refund_positive"),
            models.CheckConstraint(condition=_one_of("state", RefundState), name="refund_state"),
            models.UniqueConstraint(
                fields=["payment", "reference"],
                condition=~Q(reference=""),
                name="payment_refund_reference",
            ),
        ]

    def __str__(self) -> str:
        return f"refund {self.id}"


class Attempt(models.Model):
    """One request to a provider, stored before it is sent. ``key`` is the command's.

    ``leased_until``: somebody is asking; ``next_at``: when the reconciler takes it up.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, blank=True)
    order_id = models.UUIDField()
    operation = models.CharField(max_length=12, choices=[(o.value, o.value) for o in Operation])
    attempt = models.SmallIntegerField()
    key = models.CharField(max_length=300, null=True, blank=True)
    amount = models.BigIntegerField()
    state = models.CharField(max_length=12, choices=[(s.value, s.value) for s in AttemptState])
    sends = models.IntegerField(default=0)
    tries = models.SmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["order_id", "operation", "attempt"], name="payment_attempt_once"
            ),
            models.UniqueConstraint(
                fields=["order_id", "operation", "key"], name="payment_attempt_key"
            ),
            models.CheckConstraint(condition=_one_of("state", AttemptState), name="attempt_state"),
            models.CheckConstraint(
                condition=_one_of("operation", Operation), name="attempt_operation"
            ),
            models.CheckConstraint(
                condition=Q(operation="refund", refund__isnull=False)
                | (~Q(operation="refund") & Q(refund__isnull=True)),
                name="attempt_refund",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(state__in=[str(s) for s in OPEN_ATTEMPTS]),
                name="payment_attempt_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.attempt}"


class LedgerEntry(models.Model):
    """One movement of money, for good: the database refuses to change or remove it."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="ledger")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, blank=True)
    order_id = models.UUIDField(db_index=True)
    kind = models.CharField(max_length=16, choices=[(k.value, k.value) for k in EntryKind])
    debit = models.CharField(max_length=8)
    credit = models.CharField(max_length=8)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    source = models.CharField(max_length=16)  # command, webhook, reconciler, sweep
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="payment_ledger_positive"),
            models.CheckConstraint(
                condition=Q(
                    *(
                        Q(kind=str(kind), debit=debit, credit=credit)
                        for kind, (debit, credit) in ACCOUNTS.items()
                    ),
                    _connector=Q.OR,
                ),
                name="payment_ledger_accounts",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.currency}"


class WebhookMessage(models.Model):
    """One verified message of a provider, stored before anything is done with it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    provider = models.CharField(max_length=16)
    message_id = models.CharField(max_length=255)
    type = models.CharField(max_length=64)
    reference = models.CharField(max_length=255, blank=True)
    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="webhooks"
    )
    payload = models.TextField()
    state = models.CharField(
        max_length=12,
        choices=[(s.value, s.value) for s in MessageState],
        default=MessageState.RECEIVED,
    )
    tries = models.SmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)
    received_at = models.DateTimeField(default=timezone.now)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "message_id"], name="payment_webhook_once"),
            models.CheckConstraint(condition=_one_of("state", MessageState), name="webhook_state"),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=Q(state__in=[str(s) for s in OPEN_MESSAGES]),
                name="payment_webhook_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.message_id}"


class ProviderCursor(models.Model):
    """How far the provider's own list of charges was compared with ours."""

    provider = models.CharField(max_length=16, primary_key=True)
    seen_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.provider} until {self.seen_until}"
