"""Periodic work of the edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from celery import shared_task

from modules.platform.databases import installed_modules
from modules.platform.rest.idempotency import purge

SCHEDULE = {"rest.purge_idempotency_records": timedelta(hours=1)}


@shared_task(name="rest.purge_idempotency_records")
def purge_idempotency_records() -> int:
    """Drop answers that nobody may ask for any more, in every module's schema."""
    return sum(purge(module, now=datetime.now(UTC)) for module in installed_modules())
