"""What tests look up in payment's tables and on the bus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Sum

from modules.payment import models
from modules.platform.contracts import Money


def eur(amount: int) -> Money:
    return Money(amount=amount, currency="EUR")


def payment(order_id: UUID) -> models.Payment:
    return models.Payment.objects.get(order_id=order_id)


def published(order_id: UUID) -> list[str]:
    """The types of the order's events, in order: ``payment_authorized``."""
    with connections["payment"].cursor() as cursor:
        cursor.execute("SELECT type FROM bus_outbox WHERE key = %s ORDER BY id", [str(order_id)])
        return [row[0].partition(".")[2] for row in cursor.fetchall()]


def payloads(order_id: UUID, kind: str) -> list[dict[str, Any]]:
    """The data of the order's events of one type."""
    sql = "SELECT payload FROM bus_outbox WHERE key = %s AND type = %s ORDER BY id"
    with connections["payment"].cursor() as cursor:
        cursor.execute(sql, [str(order_id), f"payment.{kind}"])
        return [row[0] for row in cursor.fetchall()]


def ledger(order_id: UUID) -> dict[str, int]:
    """The sum of each kind of the order's ledger lines."""
    rows = models.LedgerEntry.objects.filter(order_id=order_id)
    sums = rows.values_list("kind").annotate(sum=Sum("amount"))
    return dict(sums)


def assert_ledger_equals_totals(order_id: UUID) -> None:
    """The totals beside the ledger are the ledger's."""
    row = payment(order_id)
    totals = {
        "authorization": row.authorized,
        "capture": row.captured,
        "void": row.voided,
        "refund": row.refunded,
    }
    assert {kind: total for kind, total in totals.items() if total} == ledger(order_id)


def let_leases_expire(order_id: UUID) -> None:
    """As if the process that was asking had been dead for long enough."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    attempts = models.Attempt.objects.filter(order_id=order_id)
    attempts.filter(leased_until__isnull=False).update(leased_until=past)
    attempts.filter(next_at__isnull=False).update(next_at=past)
