"""One caller at a time asks for an attempt: leases, and how long a provider may take."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import F

from modules.payment import models
from modules.payment.domain import OPEN_ATTEMPTS, AttemptState, Operation, pause, provider_key
from modules.platform.contracts import current_context
from modules.platform.databases import alias_of

CALL_LIMIT = timedelta(seconds=10)  # Stripe's own p99.9 is about 5 s
CALL_LEAST = timedelta(milliseconds=50)  # below it a call could not even be answered locally
RESERVE = timedelta(milliseconds=30)  # kept of the deadline for storing the outcome
LEASE = CALL_LIMIT + timedelta(seconds=5)  # a live caller is never overtaken
WAIT = (0.005, 0.1)  # seconds between looks at somebody else's call: first, longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A leased attempt and what the provider must know of its payment. ``sends`` counts this."""

    attempt_id: UUID
    payment_id: UUID
    order_id: UUID
    provider: str
    reference: str
    operation: Operation
    number: int
    amount: int
    currency: str
    method: str
    email: str
    refund_id: UUID | None
    sends: int
    first_sent_at: datetime
    previously: AttemptState

    @property
    def key(self) -> str:
        return provider_key(self.order_id, self.operation, self.number)


_LEASE = """
WITH before AS (
    SELECT id, state FROM payment_attempt
    WHERE id = %(attempt)s AND state = ANY (%(open)s)
        AND (leased_until IS NULL OR leased_until < %(now)s)
    FOR UPDATE SKIP LOCKED
)
UPDATE payment_attempt a SET
    state = 'sent', sends = a.sends + 1, sent_at = %(now)s, leased_until = %(lease)s,
    next_at = %(lease)s
FROM before, payment_payment p
WHERE a.id = before.id AND p.id = a.payment_id
RETURNING p.id, a.order_id, p.provider, p.reference, a.attempt, a.amount, p.currency, p.method,
    p.email, a.refund_id, a.sends, a.created_at, a.operation, before.state
"""


def lease(attempt_id: UUID) -> Job | None:
    """The attempt for this caller alone; None once it is settled.

    Waits while another caller asks, until the deadline or as long as a call may take; None then
    as well: ``is_open`` tells the difference.
    """
    end, wait = time.monotonic() + time_left().total_seconds(), WAIT[0]
    while True:
        job = try_lease(attempt_id, datetime.now(UTC))
        if job is not None or not is_open(attempt_id) or time.monotonic() >= end:
            return job
        time.sleep(wait)
        wait = min(WAIT[1], wait * 1.5)


def try_lease(attempt_id: UUID, now: datetime) -> Job | None:
    """The attempt for this caller alone, at once; None when it is settled or another asks."""
    values: dict[str, Any] = {
        "attempt": attempt_id,
        "now": now,
        "lease": now + LEASE,
        "open": list(OPEN_ATTEMPTS),
    }
    with connections[alias_of("payment")].cursor() as cursor:
        cursor.execute(_LEASE, values)
        row = cursor.fetchone()
    if row is None:
        return None
    *plain, operation, previously = row
    names = (
        *("payment_id", "order_id", "provider", "reference", "number", "amount", "currency"),
        *("method", "email", "refund_id", "sends", "first_sent_at"),
    )
    return Job(
        attempt_id=attempt_id,
        operation=Operation(operation),
        previously=AttemptState(previously),
        **dict(zip(names, plain, strict=True)),
    )


def is_open(attempt_id: UUID) -> bool:
    return models.Attempt.objects.filter(pk=attempt_id, state__in=OPEN_ATTEMPTS).exists()


def give_back(job: Job, *, state: AttemptState, error: str, now: datetime) -> None:
    """The call brought no answer; the reconciler or the same command asks again."""
    tries = models.Attempt.objects.filter(pk=job.attempt_id).values_list("tries", flat=True).get()
    wait = pause(tries, random.random())  # noqa: S311
    models.Attempt.objects.filter(pk=job.attempt_id, state=AttemptState.SENT).update(
        state=state, error=error[:200], leased_until=None, next_at=now + wait, tries=F("tries") + 1
    )


def time_left() -> timedelta:
    """How long a provider may take now: what the caller's deadline leaves, at most CALL_LIMIT."""
    remaining = current_context().remaining(datetime.now(UTC))
    if remaining is None:
        return CALL_LIMIT
    return max(CALL_LEAST, min(CALL_LIMIT, remaining - RESERVE))
