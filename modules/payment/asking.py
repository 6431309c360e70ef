"""Asks a provider what a stored attempt says, and stores the outcome. No transaction is open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db.models import F

from modules.payment import attempts, books, leasing, metrics, models, providers, refunding
from modules.payment.contract import (
    CaptureFailed,
    OutcomeUnknown,
    PaymentState,
    ProviderUnavailable,
)
from modules.payment.domain import (
    AttemptState,
    Charge,
    Claim,
    Operation,
    check,
)
from modules.payment.leasing import Job
from modules.payment.providers import AnswerLost, NotSent, Refused, UnknownProvider
from modules.payment.settlement import absorb, give_up, publish_all, settle
from modules.platform.contracts import Event, deadline_in
from modules.platform.databases import atomic
from modules.platform.messaging.crashpoints import crash_point

log = structlog.get_logger(__name__)
KEYS_KEPT = timedelta(hours=12)  # providers keep them for a day


def run(attempt_id: UUID, *, source: str = "command") -> models.Payment:
    """Ask for the attempt unless it is settled; the payment as it is then.

    Waits for another caller who is asking. Raises OutcomeUnknown, ProviderUnavailable.
    """
    job = leasing.lease(attempt_id)
    if job is not None:
        return ask(job, source=source)
    attempt = models.Attempt.objects.select_related("payment").get(pk=attempt_id)
    if attempt.settled_at is None:
        raise OutcomeUnknown(order_id=attempt.order_id)
    return attempt.payment


def ask(job: Job, *, source: str = "command") -> models.Payment:
    """Send the leased attempt and take its answer. Raises OutcomeUnknown, ProviderUnavailable."""
    crash_point("payment.stored")
    with deadline_in(leasing.CALL_LIMIT):
        return _ask(job, source)


def _ask(job: Job, source: str) -> models.Payment:
    try:
        charge = _call(job)
    except (NotSent, UnknownProvider) as error:
        _not_sent(job, str(error))
        raise ProviderUnavailable(provider=job.provider) from error
    except AnswerLost as error:
        _lost(job, str(error))
        raise OutcomeUnknown(order_id=job.order_id) from error
    except Refused as refused:
        crash_point("payment.answered")
        return _refused(job, refused, source=source)
    crash_point("payment.answered")
    return settle(job.payment_id, charge, source=source, attempt_id=job.attempt_id)


def _call(job: Job) -> Charge:
    """The provider's answer. Raises its errors."""
    provider = providers.provider(job.provider)
    timeout = leasing.time_left().total_seconds()
    match job.operation:
        case Operation.AUTHORIZE:
            return _authorize(job, provider, timeout)
        case Operation.CAPTURE:
            return provider.capture(job.reference, job.amount, key=job.key, timeout=timeout)
        case Operation.VOID:
            return provider.void(job.reference, key=job.key, timeout=timeout)
        case Operation.REFUND:
            assert job.refund_id is not None  # noqa: S101 (the database checks it)
            return provider.refund(
                job.reference, job.amount, job.refund_id, key=job.key, timeout=timeout
            )


def _authorize(job: Job, provider: providers.Provider, timeout: float) -> Charge:
    if job.sends > 1:
        found = _found(job, provider, timeout / 2)
        if found is not None:
            return found
        timeout = leasing.time_left().total_seconds()
    request = providers.AuthorizeRequest(
        payment_id=job.payment_id,
        order_id=job.order_id,
        amount=job.amount,
        currency=job.currency,
        method=job.method,
        email=job.email,
    )
    return provider.authorize(request, key=job.key, timeout=timeout)


def _found(job: Job, provider: providers.Provider, timeout: float) -> Charge | None:
    """What the provider has of an authorization for which it was asked before; None: ask again.

    Also where it does not say, as long as it knows the key: then asking again tells.
    """
    try:
        return provider.find(job.payment_id, since=job.first_sent_at, timeout=timeout)
    except (AnswerLost, NotSent):
        if datetime.now(UTC) - job.first_sent_at > KEYS_KEPT:
            raise
        return None


def _not_sent(job: Job, error: str) -> None:
    """This call did nothing; whether an earlier one did is known as little as before."""
    log.warning("payment.not_sent", attempt_id=str(job.attempt_id), error=error)
    first = job.sends == 1 or job.previously is AttemptState.DUE
    state = AttemptState.DUE if first else AttemptState.UNKNOWN
    leasing.give_back(job, state=state, error=error, now=datetime.now(UTC))


def _lost(job: Job, error: str) -> None:
    log.warning("payment.answer_lost", attempt_id=str(job.attempt_id), error=error)
    now = datetime.now(UTC)
    with atomic("payment"):
        # The payment before the attempt: the order in which every transaction locks them.
        row = books.lock(job.payment_id)
        leasing.give_back(job, state=AttemptState.UNKNOWN, error=error, now=now)
        if row is not None and row.state == PaymentState.CREATED:
            before = row.position
            row.state = check(before.state, PaymentState.UNKNOWN)
            models.Payment.objects.filter(pk=row.pk).update(
                state=row.state, version=F("version") + 1, updated_at=now
            )
            metrics.count_step(row, before)


def _refused(job: Job, refused: Refused, *, source: str) -> models.Payment:
    """A definite no. What the provider has instead is looked up, for it may know more than we."""
    log.warning("payment.refused", attempt_id=str(job.attempt_id), code=refused.code)
    charge = _look_up(job) if job.reference else None
    now = datetime.now(UTC)
    with atomic("payment"):
        row = books.lock(job.payment_id)
        assert row is not None  # noqa: S101 (payments are never deleted)
        if charge is not None:
            absorb(row, charge, source=source, now=now)
        attempts.settle(job.attempt_id, AttemptState.REFUSED, error=refused.code, now=now)
        publish_all(_consequences(row, job, refused, now))
    return row


def _look_up(job: Job) -> Charge | None:
    try:
        timeout = leasing.time_left().total_seconds()
        return providers.provider(job.provider).fetch(job.reference, timeout=timeout)
    except providers.ProviderError as error:
        log.warning("payment.look_up_failed", payment_id=str(job.payment_id), error=str(error))
        return None


def _consequences(row: models.Payment, job: Job, refused: Refused, now: datetime) -> list[Event]:
    match job.operation:
        case Operation.AUTHORIZE:
            code = refused.decline_code or refused.code
            give_up(row, state=PaymentState.DECLINED, code=code[:64], now=now)
        case Operation.REFUND:
            assert job.refund_id is not None  # noqa: S101 (the database checks it)
            refunding.fail(row, job.refund_id, refused.code)
        case Operation.CAPTURE if row.captured == 0 and row.claim != Claim.CANCELLED:
            failed = CaptureFailed(order_id=row.order_id, payment_id=row.id, reason=refused.code)
            return [failed]
        case _:
            pass
    return []
