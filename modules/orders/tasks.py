"""Periodic work of orders: closing what is over, and finding what nobody moves."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task

from modules.orders.service.sweeping import close_delivered, flag_uncaptured
from modules.platform.sagas.clock import utc_now

SCHEDULE = {"orders.close": timedelta(hours=1), "orders.flag_uncaptured": timedelta(minutes=1)}


@shared_task(name="orders.close")
def close() -> int:
    """Close orders whose goods can no longer come back."""
    return close_delivered(now=utc_now())


@shared_task(name="orders.flag_uncaptured")
def flag() -> int:
    """Have a person look at confirmed orders whose money was never taken."""
    return flag_uncaptured(now=utc_now())
