"""Work of sagas outside requests: running them, sweeping, forgetting, measuring."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import structlog
from celery import shared_task

from modules.platform.messaging import after_commit
from modules.platform.messaging.authority import hosted
from modules.platform.sagas import metrics, store
from modules.platform.sagas.clock import utc_now
from modules.platform.sagas.definition import defining_modules
from modules.platform.sagas.running import run
from modules.platform.sagas.saga import Status

log = structlog.get_logger(__name__)

SCHEDULE = {"sagas.sweep": timedelta(seconds=5), "sagas.purge": timedelta(hours=1)}
BATCH = 200  # sagas taken up per module and sweep; the next sweep comes in 5 s
KEPT = timedelta(days=30)  # done sagas, for questions
PURGED_AT_ONCE = 5_000  # rows a statement


# A step may take 10 s and a saga several of them; a runner that is stuck has lost its lease after
# 15, and the saga goes on elsewhere.
@shared_task(name="sagas.run")
def run_saga(module: str, saga_id: str, version: int | None = None) -> None:
    """Go on with one saga, if it is due (or still at the timer's version) and nobody has it."""
    run(module, UUID(saga_id), version=version)


@shared_task(name="sagas.sweep")
def sweep() -> int:
    """Have workers take up every saga whose time has come: what crashes and brokers left behind."""
    return sum(sweep_module(module) for module in defining_modules() if hosted(module))


def sweep_module(module: str) -> int:
    """Send a task for each due saga of ``module``, and measure those that are not done."""
    now = utc_now()
    found = store.due(module, now, BATCH)
    for saga_id in found:
        after_commit(module, run_saga, module, str(saga_id))
    standing = store.open_sagas(module)
    for status in (Status.RUNNING, Status.MANUAL):
        metrics.OPEN.labels(module, status).set(standing[status][0] if status in standing else 0)
    ages = [(now - oldest).total_seconds() for _, oldest in standing.values()]
    metrics.OLDEST.labels(module).set(max(ages, default=0.0))
    return len(found)


@shared_task(name="sagas.purge")
def purge() -> int:
    """Forget sagas that were done long ago."""
    gone = 0
    for module in defining_modules():
        if not hosted(module):
            continue
        while dropped := store.purge(module, utc_now() - KEPT, PURGED_AT_ONCE):
            gone += dropped
    return gone
