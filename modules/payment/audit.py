"""The rule that a payment's totals are those of its ledger, checked from outside the code."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connections

from modules.platform.databases import alias_of

_DIFFERENCES = """
SELECT p.id,
    ARRAY[p.authorized, p.captured, p.voided, p.refunded] AS totals,
    ARRAY[
        coalesce(sum(l.amount) FILTER (WHERE l.kind = 'authorization'), 0),
        coalesce(sum(l.amount) FILTER (WHERE l.kind = 'capture'), 0),
        coalesce(sum(l.amount) FILTER (WHERE l.kind = 'void'), 0),
        coalesce(sum(l.amount) FILTER (WHERE l.kind = 'refund'), 0)]::bigint[] AS booked
FROM payment_payment p LEFT JOIN payment_ledgerentry l ON l.payment_id = p.id
WHERE p.updated_at >= %s
GROUP BY p.id
HAVING ARRAY[p.authorized, p.captured, p.voided, p.refunded] <> ARRAY[
    coalesce(sum(l.amount) FILTER (WHERE l.kind = 'authorization'), 0),
    coalesce(sum(l.amount) FILTER (WHERE l.kind = 'capture'), 0),
    coalesce(sum(l.amount) FILTER (WHERE l.kind = 'void'), 0),
    coalesce(sum(l.amount) FILTER (WHERE l.kind = 'refund'), 0)]::bigint[]
ORDER BY p.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Authorized, captured, voided and refunded as the payment and as its ledger say."""

    payment_id: UUID
    totals: tuple[int, ...]
    booked: tuple[int, ...]


def differences(*, since: datetime) -> list[Difference]:
    """The payments changed since then whose totals are not their ledger's; none, if all is well."""
    with connections[alias_of("payment")].cursor() as cursor:
        cursor.execute(_DIFFERENCES, [since])
        return [
            Difference(payment_id=found[0], totals=tuple(found[1]), booked=tuple(found[2]))
            for found in cursor.fetchall()
        ]
