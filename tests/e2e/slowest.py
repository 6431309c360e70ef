"""What took longest to come to rest, told in lines: for whoever asks why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from tests.e2e.running import RunningShop

_SAGAS = """
SELECT subject, phase, extract(epoch FROM updated_at - created_at)::float8, created_at, steps
FROM orders.saga ORDER BY updated_at - created_at DESC LIMIT %s
"""
_ORDERS = """
SELECT o.id::text, o.placed_at, array_agg(t.kind ORDER BY t.at), array_agg(t.at ORDER BY t.at),
    (SELECT string_agg(concat_ws(' ', operation, state, 'sent', sends, 'tried', tries, error), ', '
                       ORDER BY id) FROM payment.payment_attempt WHERE order_id = o.id)
FROM orders.orders_order o JOIN orders.orders_timelineentry t ON t.order_id = o.id
WHERE o.email LIKE %s GROUP BY o.id
ORDER BY max(t.at) FILTER (WHERE t.kind IN ('captured', 'cancelled')) - o.placed_at
    DESC NULLS FIRST LIMIT %s
"""


def slowest(shop: RunningShop, domain: str, count: int = 3) -> Iterator[str]:
    """``count`` sagas, by their steps, and as many orders of everybody ``@domain``, by what they
    became and what the provider was asked.
    """
    for subject, phase, seconds, began, steps in shop.query(_SAGAS, count):
        told = "; ".join(_step(began, step) for step in steps)
        yield f"saga of {subject}, {phase} after {seconds:.1f} s: {told}"
    for order, placed, kinds, moments, asked in shop.query(_ORDERS, f"%@{domain}", count):
        became = zip(kinds, moments, strict=True)
        told = ", ".join(f"{kind} {_since(placed, at)}" for kind, at in became)
        yield f"order {order}: {told}; {asked or 'no payment'}"


def _step(began: datetime, step: Mapping[str, Any]) -> str:
    asked = _since(began, datetime.fromisoformat(step["since"]))
    ended = _since(began, datetime.fromisoformat(step["ended_at"])) if "ended_at" in step else ""
    code = step.get("error", "").partition(": ")[0]
    times = f"x{step.get('attempts', 0)}"
    return f"{step['kind']} {asked}-{ended} {times} {step.get('state', 'pending')} {code}".rstrip()


def _since(began: datetime, at: datetime) -> str:
    return f"{(at - began).total_seconds():.1f}"
