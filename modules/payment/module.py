"""What payment is: the declaration from which its boundary is derived and checked."""

from __future__ import annotations

from modules.orders.contract import OrderCancelled, OrderConfirmed, OrderFailed
from modules.payment.contract import (
    CaptureFailed,
    Payment,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentUnclaimed,
    PaymentVoided,
)
from modules.platform.contracts import Invariant, Module

MODULE = Module(
    name="payment",
    purpose="Take money for orders, and give it back.",
    owner="team-payments",
    port=Payment,
    calls=(),
    publishes=(
        CaptureFailed,
        PaymentAuthorized,
        PaymentCaptured,
        PaymentDeclined,
        PaymentRefunded,
        PaymentUnclaimed,
        PaymentVoided,
    ),
    consumes=(OrderCancelled, OrderConfirmed, OrderFailed),
    extractable=True,
    invariants=(
        Invariant(
            name="captures are at most what was authorized",
            broken="""
                SELECT payment_id::text FROM payment_ledgerentry GROUP BY payment_id
                HAVING coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0)
                     > coalesce(sum(amount) FILTER (WHERE kind = 'authorization'), 0)
            """,
        ),
        Invariant(
            name="a payment says what its ledger says",
            broken="""
                SELECT p.id::text FROM payment_payment p
                LEFT JOIN payment_ledgerentry e ON e.payment_id = p.id GROUP BY p.id
                HAVING p.captured <> coalesce(sum(e.amount) FILTER (WHERE e.kind = 'capture'), 0)
                    OR p.refunded <> coalesce(sum(e.amount) FILTER (WHERE e.kind = 'refund'), 0)
            """,
        ),
        Invariant(
            name="one event of authorization for each payment",
            broken="""
                SELECT payload->>'payment_id' FROM bus_outbox
                WHERE type = 'payment.payment_authorized'
                GROUP BY 1 HAVING count(*) > 1
            """,
        ),
    ),
)
