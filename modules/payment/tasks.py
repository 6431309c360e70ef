"""Work outside of requests: intents as soon as they are stored, and the reconciler's rounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from celery import shared_task

from modules.payment import asking, audit, closing, models, providers, reconciler
from modules.payment.contract import PaymentError
from modules.payment.domain import AT_REST

log = structlog.get_logger(__name__)

AUDITED = timedelta(hours=3)  # thrice the interval: one missed run leaves no gap

SCHEDULE = {
    "payment.reconcile": timedelta(seconds=5),
    "payment.sweep_providers": timedelta(seconds=60),
    "payment.audit": timedelta(hours=1),
}


@shared_task(name="payment.run_attempt")
def run_attempt(attempt_id: str) -> None:
    """Ask what a stored intent says; the reconciler goes on where this ends without an answer."""
    try:
        asking.run(UUID(attempt_id), source="command")
    except PaymentError as error:
        log.info("payment.attempt_still_open", attempt_id=attempt_id, error=str(error))


@shared_task(name="payment.close_payment")
def close_payment(payment_id: str) -> None:
    """Give back all that a cancelled payment holds."""
    row = models.Payment.objects.get(pk=payment_id)
    if row.state in AT_REST:
        return
    try:
        closing.close(row.id, reason=row.reason, now=datetime.now(UTC))
    except PaymentError as error:
        log.info("payment.payment_still_open", payment_id=payment_id, error=str(error))


@shared_task(name="payment.reconcile")
def reconcile() -> int:
    """One pass over what is due."""
    return reconciler.reconcile(now=datetime.now(UTC))


@shared_task(name="payment.sweep_providers")
def sweep_providers() -> int:
    """Compare the providers' lists with ours."""
    count = 0
    for name in providers.configured():
        try:
            count += reconciler.sweep_provider(name, now=datetime.now(UTC))
        except providers.ProviderError as error:
            log.warning("payment.sweep_failed", provider=name, error=str(error))
    return count


@shared_task(name="payment.audit")
def audit_ledger() -> int:
    """Compare what the last hours' payments say with their ledgers; how many differ."""
    differing = audit.differences(since=datetime.now(UTC) - AUDITED)
    for difference in differing:
        log.error("payment.ledger_differs", payment_id=str(difference.payment_id))
    return len(differing)
