"""What our shop still has to do after it has answered: nothing of it may be left out of a rate.

The question itself must cost little: it is asked while the shop works. So one statement asks for
everything, cheapest first, and stops at the first thing that waits.
"""

from __future__ import annotations

import psycopg

from shop.env import MODULES

_OPEN = {
    "an order is not captured": (
        "SELECT FROM orders.orders_order "
        "WHERE state IN ('pending', 'reserved', 'authorized', 'confirmed', 'cancelling')"
    ),
    "a payment attempt is open": (
        "SELECT FROM payment.payment_attempt WHERE state IN ('due', 'sent', 'unknown')"
    ),
    "a webhook is not processed": (
        "SELECT FROM payment.payment_webhookmessage WHERE state IN ('received', 'parked')"
    ),
    "a message is not sent": (
        "SELECT FROM notification.notification_message "
        "WHERE state IN ('queued', 'retrying', 'sending')"
    ),
    "stock has a notice to act on": "SELECT FROM inventory.inventory_notice",
}
_PARKED = "SELECT FROM {schema}.bus_parked WHERE state IN ('retry', 'blocked', 'dead')"
_UNHANDLED = """SELECT FROM {schema}.bus_subscription s
    WHERE s.state IN ('new', 'live') AND EXISTS (
        SELECT FROM {schema}.bus_outbox o
        WHERE o.part = s.part AND o.id > s.acked AND o.type = ANY (s.types))"""


def _question() -> str:
    asked = dict(_OPEN)
    for module in MODULES:
        asked[f"an event for or of {module} is parked"] = _PARKED.format(schema=module)
        asked[f"an event of {module} is not handled"] = _UNHANDLED.format(schema=module)
    cases = (f"WHEN EXISTS ({query}) THEN '{what}'" for what, query in asked.items())
    return f"SELECT CASE {' '.join(cases)} END"


_QUESTION = _question()


def unfinished(database: psycopg.Connection) -> str | None:
    """The first thing that waits, or None when all is quiet."""
    row = database.execute(_QUESTION, prepare=True).fetchone()
    assert row is not None
    what: str | None = row[0]
    return what
