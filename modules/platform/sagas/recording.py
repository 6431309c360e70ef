"""Changes a saga: compare-and-swap together with the module's own change, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from modules.platform.databases import atomic
from modules.platform.messaging import after_commit, schedule
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.sagas import metrics, store
from modules.platform.sagas.decisions import SagaEvent
from modules.platform.sagas.definition import Change, Definition, definition_of
from modules.platform.sagas.saga import Saga, Status, Step, StepState, settled

log = structlog.get_logger(__name__)
WAKE = "saga.wake"  # the type of the timers

# Gives the changed saga and the event that changed it; the saga as it was means: nothing to do.
Alter = Callable[[Saga, Definition], tuple[Saga, SagaEvent | None]]


class SagaGone(LookupError):
    """The saga was there and is not any more: it was done, and is purged."""


def record(
    module: str,
    saga: Saga,
    alter: Alter,
    *,
    now: datetime,
    held: datetime | None = None,
    keep_until: datetime | None = None,
) -> Saga:
    """Apply ``alter`` to the saga as it stands and store the result; the stored saga.

    ``saga`` is what the caller read; when somebody else changed it meanwhile it is read again and
    ``alter`` decides anew. ``held`` is the caller's lease, if it runs the saga: it becomes
    ``keep_until`` while there is something to do now. The lease of another is left alone.
    Raises what the module's own ``apply`` raises; then nothing is stored.
    """
    definition = definition_of(module, saga.type)
    while True:
        mine = held is not None and saga.lease_until == held
        changed, event = alter(saga, definition)
        if changed is saga and not mine:
            return saga
        lease = keep_until if mine else _lease_of_another(saga, now)
        after = settled(changed, definition, now=now, keep_until=lease)
        if _store(module, definition, saga, after, event, now):
            crash_point("saga.committed")
            return after
        saga = _again(module, saga.id)


def _store(
    module: str,
    definition: Definition,
    before: Saga,
    after: Saga,
    event: SagaEvent | None,
    now: datetime,
) -> bool:
    change = None
    if event is not None and after.state is not before.state:
        change = _change(before, after, event, now)
    if change is not None and not definition.touches(change):
        change = None
    wakes = after.lease_until is None and after.status is Status.RUNNING
    if change is None and not wakes:
        if not store.swap(module, before, after, now):
            return False
    elif not _store_with(module, definition, before, after, change, now):
        return False
    _tell(module, before, after)
    return True


def _store_with(
    module: str,
    definition: Definition,
    before: Saga,
    after: Saga,
    change: Change | None,
    now: datetime,
) -> bool:
    with atomic(module):
        if not store.swap(module, before, after, now):
            return False
        if change is not None:
            definition.apply(change)
        if after.lease_until is None:
            wake_later(module, after, now)
        crash_point("saga.before_commit")
    return True


def wake_later(module: str, saga: Saga, now: datetime) -> None:
    """See to it that a worker goes on with the saga when it is due. Part of the transaction."""
    from modules.platform.sagas.tasks import run_saga

    if saga.status is not Status.RUNNING or saga.due_at is None:
        return
    if saga.due_at <= now:
        after_commit(module, run_saga, module, str(saga.id))
        return
    payload = {"version": saga.version}
    schedule(module, key=str(saga.id), type=WAKE, payload=payload, due_at=saga.due_at)


def _lease_of_another(saga: Saga, now: datetime) -> datetime | None:
    held = saga.lease_until is not None and saga.lease_until > now
    return saga.lease_until if held else None


def _change(before: Saga, after: Saga, event: SagaEvent, now: datetime) -> Change:
    return Change(
        saga_id=after.id,
        subject=after.subject,
        before=before.state,
        after=after.state,
        event=event,
        now=now,
    )


def _again(module: str, saga_id: UUID) -> Saga:
    found = store.load(module, saga_id)
    if found is None:
        raise SagaGone(f"saga {saga_id} of {module}")
    return found


def _tell(module: str, before: Saga, after: Saga) -> None:
    if after.status is Status.DONE and before.status is not Status.DONE:
        metrics.ENDED.labels(module, after.type, after.state.phase).inc()
    for step in _newly_manual(before, after):
        metrics.MANUAL.labels(module, after.type, step.kind).inc()
        log.error(
            "saga.manual",
            module=module,
            saga=str(after.id),
            type=after.type,
            subject=after.subject,
            step=step.number,
            kind=step.kind,
            attempts=step.attempts,
            error=step.error,
        )


def _newly_manual(before: Saga, after: Saga) -> list[Step]:
    was = {step.number for step in before.steps if step.state is StepState.MANUAL}
    return [s for s in after.steps if s.state is StepState.MANUAL and s.number not in was]
