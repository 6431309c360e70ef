"""Closes what commands, webhooks and tasks leave open; a minute is the longest anything may hang.

Each pass is short and may run beside others: attempts are leased, payments are taken by moving
their ``due_at``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, takewhile
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import IntegrityError

from modules.payment import (
    asking,
    attempts,
    closing,
    inbox,
    leasing,
    models,
    providers,
    settlement,
)
from modules.payment.contract import PaymentError, PaymentState, PaymentUnclaimed
from modules.payment.domain import (
    AT_REST,
    OPEN_ATTEMPTS,
    OVER,
    SETTLED_AFTER,
    UNANSWERED,
    AttemptState,
    Charge,
    Claim,
    Operation,
    pause,
)
from modules.platform.contracts import Money
from modules.platform.databases import atomic

log = structlog.get_logger(__name__)
T = TypeVar("T")
BATCH = 50  # of each sort in one pass
BUDGET = 15.0  # seconds for one sort in one pass: a slow provider must not pile passes up
ABANDONED_AFTER = timedelta(hours=24)  # no bank's confirmation page lives longer
REPEAT = timedelta(seconds=30)  # between two words about the same unclaimed money
OVERLAP = timedelta(minutes=2)  # between two sweeps; the longest call ends well within it
PAGE = 100  # charges compared with one query
FIRST_LOOKBACK = timedelta(days=1)
LIST_LIMIT = 10.0  # seconds for one page of the provider's list


def reconcile(*, now: datetime) -> int:
    """One pass over everything that is due; how many things it looked at."""
    return pursue_attempts(now=now) + look_at_payments(now=now) + inbox.retry_due(now=now)


def pursue_attempts(*, now: datetime) -> int:
    """Ask again for attempts without an answer, and for intents whose task got lost."""
    rows = models.Attempt.objects.filter(
        state__in=[str(state) for state in OPEN_ATTEMPTS], next_at__lte=now
    )
    due = list(rows.order_by("next_at").values_list("id", flat=True)[:BATCH])
    for attempt_id in _in_time(due):
        _guarded("attempt", attempt_id, partial(pursue, attempt_id, now=now))
    return len(due)


def pursue(attempt_id: UUID, *, now: datetime) -> None:
    """Bring one attempt to its end if its provider allows. Raises the errors of payment."""
    attempt = models.Attempt.objects.select_related("payment").get(pk=attempt_id)
    if attempt.operation != Operation.AUTHORIZE:
        # Not waiting for another caller: whoever asks now will store the answer.
        job = leasing.try_lease(attempt_id, now)
        if job is not None:
            asking.ask(job, source="reconciler")
        return
    # Money is only ever asked for by a command: here the outcome is looked up, nothing more.
    models.Attempt.objects.filter(pk=attempt_id, next_at__lte=now).update(
        next_at=now + pause(attempt.tries, 1.0), tries=min(attempt.tries + 1, 1000)
    )
    if attempt.state == AttemptState.DUE and now < attempt.created_at + SETTLED_AFTER:
        return  # nothing was sent: whoever commanded it may try again
    if attempt.payment.state in UNANSWERED:
        closing.resolve(
            attempt.payment, if_absent=PaymentState.DECLINED, now=now, source="reconciler"
        )
    else:
        refused = attempt.payment.state == PaymentState.DECLINED
        outcome = AttemptState.REFUSED if refused else AttemptState.SUCCEEDED
        attempts.settle(attempt_id, outcome, now=now)


def look_at_payments(*, now: datetime) -> int:
    """Close what is cancelled, ask after what is pending, and tell of what nobody claims."""
    rows = models.Payment.objects.filter(due_at__lte=now)
    due = list(rows.order_by("due_at").values_list("id", "due_at")[:BATCH])
    for payment_id, due_at in _in_time(due):
        taken = models.Payment.objects.filter(pk=payment_id, due_at=due_at).update(
            due_at=now + REPEAT
        )
        if taken:
            _guarded("payment", payment_id, partial(look_at, payment_id, now=now))
    return len(due)


def look_at(payment_id: UUID, *, now: datetime) -> None:
    """What one due payment needs. Raises the errors of payment."""
    row = models.Payment.objects.get(pk=payment_id)
    if row.state in AT_REST:
        models.Payment.objects.filter(pk=payment_id).update(due_at=None)
    elif row.claim == Claim.CANCELLED:
        closing.close(payment_id, reason=row.reason, now=now, source="reconciler")
    elif row.state == PaymentState.REQUIRES_ACTION and now - row.created_at > ABANDONED_AFTER:
        closing.close(payment_id, reason="never confirmed", now=now, source="reconciler")
    elif row.state == PaymentState.REQUIRES_ACTION or row.refunding:
        _refresh(row)
    elif row.claim == Claim.OPEN and row.state not in UNANSWERED:
        _tell_unclaimed(row)


def sweep_provider(name: str, *, now: datetime) -> int:
    """Compare the provider's list of charges with ours; how many it listed.

    A charge made for a payment that is not here (lost with a database, say) is taken in, so that
    it is claimed or given back like any other.
    """
    cursor, _ = models.ProviderCursor.objects.get_or_create(
        provider=name, defaults={"seen_until": now - FIRST_LOOKBACK}
    )
    listed = iter(
        providers.provider(name).recent(since=cursor.seen_until - OVERLAP, timeout=LIST_LIMIT)
    )
    count = 0
    while page := list(islice(listed, PAGE)):
        count += len(page)
        _compare(name, page, now=now)
    models.ProviderCursor.objects.filter(pk=name).update(seen_until=now)
    return count


def _compare(name: str, page: list[Charge], *, now: datetime) -> None:
    """Bring in what the provider knows and we do not: one query for a page of charges."""
    # Without our ids it is another shop's charge on the same account.
    ours = {
        (charge.payment_id, charge.order_id): charge
        for charge in page
        if charge.payment_id is not None and charge.order_id is not None
    }
    found = models.Payment.objects.in_bulk([payment_id for payment_id, _ in ours])
    for (payment_id, order_id), charge in ours.items():
        row = found.get(payment_id)
        if row is None:
            _take_in(name, charge, payment_id, order_id, now=now)
        elif not _news(row, charge):
            continue
        try:
            settlement.settle(payment_id, charge, source="sweep")
        except settlement.ForeignCharge as error:
            log.error("payment.foreign_charge", reference=charge.reference, error=str(error))


def _news(row: models.Payment, charge: Charge) -> bool:
    """Whether the provider knows more of the payment than we do."""
    if row.state in UNANSWERED or row.state == PaymentState.REQUIRES_ACTION:
        return True
    return (
        charge.authorized > row.authorized
        or charge.captured > row.captured
        or charge.voided > row.voided
    )


def _take_in(name: str, charge: Charge, payment_id: UUID, order_id: UUID, *, now: datetime) -> None:
    """A payment for a charge that has none here. Beside a payment that stands it is a stray."""
    log.error("payment.charge_without_row", provider=name, reference=charge.reference)
    for stray in (False, True):
        try:
            with atomic("payment"):
                models.Payment.objects.create(
                    id=payment_id,
                    order_id=order_id,
                    owner="",
                    provider=name,
                    method="",
                    currency=charge.currency,
                    amount=charge.amount,
                    stray=stray,
                    claim=Claim.CANCELLED if stray else Claim.OPEN,
                    due_at=now,
                    reason="found at the provider",
                )
            return
        except IntegrityError:
            if stray:
                raise


def _refresh(row: models.Payment) -> None:
    try:
        charge = providers.provider(row.provider).fetch(
            row.reference, timeout=leasing.time_left().total_seconds()
        )
    except providers.ProviderError as error:
        log.warning("payment.refresh_failed", payment_id=str(row.id), error=str(error))
        return
    settlement.settle(row.id, charge, source="reconciler")


def _tell_unclaimed(row: models.Payment) -> None:
    held = row.position.capturable + row.position.refundable
    if row.state in OVER or held <= 0:
        return
    log.warning("payment.unclaimed", payment_id=str(row.id), order_id=str(row.order_id))
    with atomic("payment"):
        settlement.publish_all(
            [
                PaymentUnclaimed(
                    order_id=row.order_id,
                    payment_id=row.id,
                    amount=Money(amount=held, currency=row.currency),
                )
            ]
        )


def _in_time(things: Sequence[T]) -> Iterator[T]:
    """The things one by one, until BUDGET is used up; the rest is due in the next pass."""
    end = time.monotonic() + BUDGET
    return takewhile(lambda _: time.monotonic() < end, things)


def _guarded(what: str, identity: UUID, work: Callable[[], None]) -> None:
    """One thing's trouble must not stop the pass."""
    try:
        work()
    except (PaymentError, settlement.ForeignCharge) as error:
        log.info(f"payment.{what}_still_open", id=str(identity), error=str(error))
    except Exception:
        log.exception(f"payment.{what}_failed", id=str(identity))
