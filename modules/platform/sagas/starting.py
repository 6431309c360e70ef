"""Starts sagas and tells them things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from modules.platform.databases import atomic
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.sagas import store
from modules.platform.sagas.clock import Clock, utc_now
from modules.platform.sagas.decisions import SagaEvent, Signal, Started
from modules.platform.sagas.definition import Definition, definition_of
from modules.platform.sagas.recording import record, wake_later
from modules.platform.sagas.saga import Saga, Status, advance, settled

LEASE = timedelta(seconds=15)  # of a runner; 1.5x the longest an attempt may take


def start(
    module: str,
    type_: str,
    *,
    id: UUID,
    key: str,
    subject: str,
    state: Any,
    inline: bool = False,
    clock: Clock = utc_now,
) -> Saga | None:
    """Store a new saga; None when one of this type and key is at work already.

    One statement; it may be part of the module's own transaction. ``inline``: the caller runs it
    now with ``run_inline`` and has its lease; otherwise a worker does after the commit.
    """
    definition = definition_of(module, type_)
    now = clock()
    new = Saga(
        id=id,
        type=type_,
        key=key,
        subject=subject,
        state=state,
        steps=(),
        status=Status.RUNNING,
        version=0,
        deadline_at=None,
        lease_until=None,
        due_at=None,
        created_at=now,
    )
    lease = now + LEASE if inline else None
    begun = advance(new, definition, Started(), now)
    begun = settled(begun, definition, now=now, keep_until=lease)
    if inline:
        if not store.insert(module, begun):
            return None
    elif not _insert_for_a_worker(module, begun, clock):
        return None
    crash_point("saga.started")
    return begun


def _insert_for_a_worker(module: str, saga: Saga, clock: Clock) -> bool:
    with atomic(module):
        stored = store.insert(module, saga)
        if stored:
            wake_later(module, saga, clock())
    return stored


def signal(module: str, saga_id: UUID, event: Signal, *, clock: Clock = utc_now) -> Saga | None:
    """Tell the saga something; the saga as it stands then, None when there is none.

    Part of the module's open transaction, if there is one. Commands that follow from it are
    carried out by whoever runs the saga now, else by a worker.
    """
    saga = store.load(module, saga_id)
    if saga is None:
        return None
    now = clock()

    def alter(standing: Saga, definition: Definition) -> tuple[Saga, SagaEvent | None]:
        return advance(standing, definition, event, now), event

    return record(module, saga, alter, now=now)


def take(module: str, saga: Saga, *, clock: Clock = utc_now) -> Saga | None:
    """Take the lease of a saga that nobody runs, to run it inline; None when somebody does."""
    now = clock()
    if saga.lease_until is not None and saga.lease_until > now:
        return None
    held = replace(saga, lease_until=now + LEASE, due_at=now + LEASE, version=saga.version + 1)
    return held if store.swap(module, saga, held, now) else None
