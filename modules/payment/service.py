"""The Payment port: authorize, capture, cancel, refund, each idempotent and safe to interrupt.

Every command stores what it is about to ask (commit), asks the provider (no transaction open) and
stores the answer (commit). Whoever comes with the same command later finds the stored attempt and
goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db.models import F

from modules.payment import (
    asking,
    attempts,
    books,
    closing,
    leasing,
    models,
    providers,
    queries,
    refunding,
    settlement,
)
from modules.payment.contract import (
    ActionRequired,
    AmountNotPositive,
    AuthorizePayment,
    CancelPayment,
    CapturePayment,
    CurrencyMismatch,
    Declined,
    NotCapturable,
    NotStanding,
    NotVoidable,
    OrderAlreadyPaid,
    OutcomeUnknown,
    PaymentMethodUnknown,
    PaymentNotFound,
    PaymentRecord,
    PaymentState,
    Refund,
    RefundExceedsCapture,
    RefundPayment,
)
from modules.payment.domain import (
    OVER,
    UNANSWERED,
    UNCLAIMED_AFTER,
    AttemptState,
    Claim,
    Operation,
)
from modules.platform.contracts import Money
from modules.platform.databases import atomic

METHOD_UNKNOWN = "method_unknown"
MAX_METHOD = 200  # characters; the column's


def _now() -> datetime:
    return datetime.now(UTC)


class PaymentService:
    """Answers the port. ``now`` is the clock."""

    def __init__(self, now: Callable[[], datetime] = _now) -> None:
        self._now = now

    def authorize(self, command: AuthorizePayment) -> PaymentRecord:
        name = command.provider or settings.PAYMENT_PROVIDER
        if name not in providers.configured():
            raise PaymentMethodUnknown(method=f"{name}:{command.method}")
        if command.amount.amount <= 0:
            raise AmountNotPositive(amount=command.amount)
        if len(command.method) > MAX_METHOD:
            raise PaymentMethodUnknown(method=command.method[:MAX_METHOD])
        now = self._now()
        given = {
            "order": command.order_id,
            "owner": command.owner,
            "email": command.email,
            "provider": name,
            "method": command.method,
            "currency": command.amount.currency,
            "amount": command.amount.amount,
            "key": command.idempotency_key,
        }
        job = attempts.store_authorization(given, now=now, due=now + UNCLAIMED_AFTER)
        if job is not None:
            return _authorized(asking.ask(job))
        return self._authorize_again(command)

    def capture(self, command: CapturePayment) -> PaymentRecord:
        with atomic("payment"):
            attempt = _asked_before(command, Operation.CAPTURE)
            if attempt is None:
                attempt = self._store_capture(command)
        row = asking.run(attempt.id)
        return _captured(row, attempt.id)

    def cancel(self, command: CancelPayment) -> None:
        rows = models.Payment.objects.filter(order_id=command.order_id)
        rows = rows.exclude(state__in=[str(state) for state in OVER])
        for payment_id in rows.order_by("id").values_list("id", flat=True):
            closing.close(payment_id, reason=command.reason, now=self._now())

    def refund(self, command: RefundPayment) -> Refund:
        with atomic("payment"):
            attempt = _asked_before(command, Operation.REFUND)
            if attempt is None:
                attempt = self._store_refund(command)
        row = asking.run(attempt.id)
        refund = models.Refund.objects.get(attempt=attempt)
        return queries.refund_record(refund, row)

    def payments(self, *, order_ids: tuple[UUID, ...]) -> tuple[PaymentRecord, ...]:
        return queries.payments_of(order_ids)

    def void(self, *, order_id: UUID, reason: str, payment_id: UUID | None = None) -> PaymentRecord:
        """Give up what is authorized and not captured, for staff. ``payment_id``: of this payment
        or none. Raises PaymentNotFound, NotStanding, NotVoidable, OutcomeUnknown,
        ProviderUnavailable.
        """
        with atomic("payment"):
            row = _locked_effective(order_id, payment_id)
            held = row.position.capturable > 0 or row.state == PaymentState.REQUIRES_ACTION
            if not held or row.captured:
                raise NotVoidable(order_id=order_id, state=PaymentState(row.state))
        return queries.record(closing.close(row.id, reason=reason, now=self._now()))

    def _authorize_again(self, command: AuthorizePayment) -> PaymentRecord:
        """The command came before, or the order has a payment: what became of it."""
        attempt = _attempt(command.order_id, Operation.AUTHORIZE, command.idempotency_key)
        if attempt is None:
            row = queries.effective(command.order_id)
            if row is None:  # it was over just now
                raise OutcomeUnknown(order_id=command.order_id)
            raise OrderAlreadyPaid(order_id=command.order_id, payment_id=row.id)
        row = asking.run(attempt.id)
        if row.state == PaymentState.REQUIRES_ACTION:
            row = _look(row)
        return _authorized(row)

    def _store_capture(self, command: CapturePayment) -> models.Attempt:
        row = _locked_effective(command.order_id, command.payment_id)
        _same_currency(row, command.amount)
        under_way = sum(a.amount for a in attempts.open_of(row.id, Operation.CAPTURE))
        left = row.position.capturable - under_way
        amount = left if command.amount is None else command.amount.amount
        if row.claim == Claim.CANCELLED or not 0 < amount <= left:
            raise NotCapturable(order_id=row.order_id, state=PaymentState(row.state))
        # Whoever has the money taken says by that whose it is.
        models.Payment.objects.filter(pk=row.pk, claim=Claim.OPEN).update(
            claim=Claim.CONFIRMED, due_at=None, version=F("version") + 1
        )
        return attempts.store(
            row, Operation.CAPTURE, amount, key=command.idempotency_key, now=self._now()
        )

    def _store_refund(self, command: RefundPayment) -> models.Attempt:
        row = _locked_effective(command.order_id, command.payment_id)
        _same_currency(row, command.amount)
        left = row.position.refundable - row.refunding
        amount = left if command.amount is None else command.amount.amount
        if not 0 < amount <= left:
            raise RefundExceedsCapture(
                requested=Money(amount=amount, currency=row.currency),
                refundable=Money(amount=left, currency=row.currency),
            )
        return refunding.store(
            row, amount, reason=command.reason, key=command.idempotency_key, now=self._now()
        )


def _attempt(order_id: UUID, operation: Operation, key: str) -> models.Attempt | None:
    rows = models.Attempt.objects.filter(order_id=order_id, operation=operation, key=key)
    return rows.first()


def _asked_before(
    command: CapturePayment | RefundPayment, operation: Operation
) -> models.Attempt | None:
    """What the same command stored. Raises NotStanding if that was for another payment."""
    attempt = _attempt(command.order_id, operation, command.idempotency_key)
    if attempt is not None:
        _same_payment(attempt.payment_id, command.order_id, command.payment_id)
    return attempt


def _locked_effective(order_id: UUID, payment_id: UUID | None) -> models.Payment:
    """The order's payment, locked. Raises PaymentNotFound, NotStanding."""
    found = queries.latest(order_id)
    if found is None:
        raise PaymentNotFound(order_id=order_id)
    _same_payment(found.id, order_id, payment_id)
    row = books.lock(found.id)
    assert row is not None  # noqa: S101 (payments are never deleted)
    return row


def _same_payment(found: UUID, order_id: UUID, named: UUID | None) -> None:
    if named is not None and named != found:
        raise NotStanding(order_id=order_id, payment_id=named)


def _same_currency(row: models.Payment, amount: Money | None) -> None:
    if amount is not None and amount.currency != row.currency:
        raise CurrencyMismatch(given=amount.currency, expected=row.currency)


def _look(row: models.Payment) -> models.Payment:
    """What the provider says of the payment now."""
    try:
        timeout = leasing.time_left().total_seconds()
        charge = providers.provider(row.provider).fetch(row.reference, timeout=timeout)
    except providers.ProviderError:
        return row  # it still waits for the shopper, as far as anybody knows
    return settlement.settle(row.id, charge, source="command")


def _authorized(row: models.Payment) -> PaymentRecord:
    """The outcome of an authorization as the caller sees it: a record or an error."""
    state = PaymentState(row.state)
    if state is PaymentState.DECLINED and row.decline_code == METHOD_UNKNOWN:
        raise PaymentMethodUnknown(method=row.method)
    if state is PaymentState.DECLINED:
        raise Declined(order_id=row.order_id, decline_code=row.decline_code)
    if state is PaymentState.VOIDED or row.claim == Claim.CANCELLED:
        raise Declined(order_id=row.order_id, decline_code="cancelled")
    if state is PaymentState.REQUIRES_ACTION:
        raise ActionRequired(order_id=row.order_id, next_action=row.next_action)
    if state in UNANSWERED:
        raise OutcomeUnknown(order_id=row.order_id)
    return queries.record(row)


def _captured(row: models.Payment, attempt_id: UUID) -> PaymentRecord:
    outcome = models.Attempt.objects.filter(pk=attempt_id).values_list("state", flat=True).get()
    if outcome != AttemptState.SUCCEEDED:
        raise NotCapturable(order_id=row.order_id, state=PaymentState(row.state))
    return queries.record(row)
