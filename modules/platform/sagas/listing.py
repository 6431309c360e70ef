"""Sagas of all modules of this host, for people: bounded reads, no definitions needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections

from modules.platform.databases import alias_of
from modules.platform.sagas.saga import Status, Step, StepState

LIMIT = 100  # rows per module
_LIST = """
SELECT id, type, subject, phase, status, steps::text, version, deadline_at, due_at, created_at,
       updated_at, data::text
FROM saga
WHERE ({by_status}) AND (%(subject)s = '' OR subject = %(subject)s)
ORDER BY {order} {direction} LIMIT %(limit)s
"""
_ONE = """
SELECT id, type, subject, phase, status, steps::text, version, deadline_at, due_at, created_at,
       updated_at, data::text
FROM saga WHERE id = %s
"""
_steps = msgspec.json.Decoder(list[Step])


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A saga as a page shows it; ``data`` is its state as JSON text."""

    module: str
    id: UUID
    type: str
    subject: str
    phase: str
    status: Status
    steps: Sequence[Step]
    version: int
    deadline_at: datetime | None
    due_at: datetime | None
    created_at: datetime
    updated_at: datetime
    data: str

    @property
    def at(self) -> str:
        """The command it waits for, or the last one."""
        waiting = [s.kind for s in self.steps if s.state in (StepState.PENDING, StepState.MANUAL)]
        if waiting:
            return ", ".join(waiting)
        return self.steps[-1].kind if self.steps else ""

    @property
    def error(self) -> str:
        """The latest error of a command that is not done."""
        open_ = (StepState.PENDING, StepState.MANUAL)
        return next((s.error for s in reversed(self.steps) if s.error and s.state in open_), "")


def sagas(modules: Sequence[str], *, status: str = "", subject: str = "") -> list[Listed]:
    """Those that are not done, oldest first; with ``status`` those, done ones newest first."""
    found: list[Listed] = []
    for module in modules:
        found += _list(module, status, subject.strip())
    done = status == Status.DONE
    return sorted(found, key=lambda saga: saga.created_at, reverse=done)[:LIMIT]


def saga(module: str, saga_id: UUID) -> Listed | None:
    """One saga."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_ONE, [saga_id])
        row = cursor.fetchone()
    return None if row is None else _listed(module, row)


def _list(module: str, status: str, subject: str) -> list[Listed]:
    # Spelled out, so that the partial indexes can be used.
    by_status = {
        "": "true" if subject else "status <> 'done'",
        Status.RUNNING: "status <> 'done' AND status = 'running'",
        Status.MANUAL: "status <> 'done' AND status = 'manual'",
        Status.DONE: "status = 'done'",
    }.get(status, "false")
    direction = "DESC" if status == Status.DONE else "ASC"
    order = "updated_at" if status == Status.DONE else "created_at"  # as the partial indexes go
    sql = _LIST.format(by_status=by_status, order=order, direction=direction)
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(sql, {"subject": subject, "limit": LIMIT})
        return [_listed(module, row) for row in cursor.fetchall()]


def _listed(module: str, row: tuple[Any, ...]) -> Listed:
    return Listed(
        module=module,
        id=row[0],
        type=row[1],
        subject=row[2],
        phase=row[3],
        status=Status(row[4]),
        steps=_steps.decode(row[5]),
        version=row[6],
        deadline_at=row[7],
        due_at=row[8],
        created_at=row[9],
        updated_at=row[10],
        data=msgspec.json.format(row[11]),
    )
