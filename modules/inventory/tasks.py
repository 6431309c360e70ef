"""Inventory's periodic work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from celery import shared_task
from prometheus_client import Gauge

from modules.inventory.service import audit, expiry, idempotency, notices

SCHEDULE = {
    "inventory.settle_notices": timedelta(seconds=5),  # those whose task got lost
    "inventory.expire_reservations": timedelta(seconds=10),
    "inventory.audit": timedelta(days=1),
    "inventory.forget_commands": timedelta(days=1),
}
DIFFERENCES = Gauge(
    "ficus_inventory_audit_differences",
    "Counters that were not equal to the ledger at the last audit.",
    multiprocess_mode="mostrecent",
)
log = structlog.get_logger(__name__)


@shared_task(name="inventory.settle_notices")
def settle_notices() -> int:
    """Act on what was heard of orders; how many notices."""
    return notices.settle(now=datetime.now(UTC))


@shared_task(name="inventory.expire_reservations")
def expire_reservations() -> int:
    """Give back holds whose time is up; how many."""
    return expiry.expire_due(now=datetime.now(UTC))


@shared_task(name="inventory.audit")
def prove_ledger() -> int:
    """Compare counters and ledger; how many differences."""
    report = audit.audit()
    DIFFERENCES.set(len(report.differences))
    for found in report.differences:
        log.error(
            "inventory.audit_difference",
            sku=found.sku,
            warehouse=found.warehouse,
            counter=found.counter,
            booked=found.booked,
            proved=found.proved,
        )
    return len(report.differences)


@shared_task(name="inventory.forget_commands")
def forget_commands() -> int:
    """Drop answers of commands that nobody may repeat any more; how many."""
    return idempotency.forget(now=datetime.now(UTC))
