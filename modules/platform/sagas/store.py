"""Sagas in the database: insert, load, compare-and-swap. Plain SQL, one statement each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connections

from modules.platform.contracts.codec import decode, encode
from modules.platform.databases import alias_of
from modules.platform.sagas.definition import definition_of
from modules.platform.sagas.saga import Saga, Status, Step

_COLUMNS = (
    "id, type, key, subject, data::text, steps::text, status, version, deadline_at, lease_until, "
    "due_at, created_at"
)
_INSERT = """
INSERT INTO saga (id, type, key, subject, phase, data, steps, status, version, deadline_at,
                  lease_until, due_at, created_at, updated_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_LOAD = f"SELECT {_COLUMNS} FROM saga WHERE id = %s"  # noqa: S608
_AT_WORK = f"SELECT {_COLUMNS} FROM saga WHERE type = %s AND key = %s AND status <> 'done'"  # noqa: S608
_ABOUT = f"SELECT {_COLUMNS} FROM saga WHERE subject = %s ORDER BY created_at, id"  # noqa: S608
_SWAP = """
UPDATE saga SET phase = %s, data = %s, steps = %s, status = %s, version = %s, deadline_at = %s,
    lease_until = %s, due_at = %s, updated_at = %s
WHERE id = %s AND version = %s
"""
_CLAIM = f"""
UPDATE saga SET lease_until = %s, due_at = %s, version = version + 1
WHERE id = %s AND status = 'running' AND (due_at <= %s OR version = %s)
RETURNING {_COLUMNS}
"""  # noqa: S608
_DUE = "SELECT id FROM saga WHERE status = 'running' AND due_at <= %s ORDER BY due_at LIMIT %s"
_PURGE = """
DELETE FROM saga WHERE id IN
    (SELECT id FROM saga WHERE status = 'done' AND updated_at < %s LIMIT %s)
"""
_OPEN = "SELECT status, count(*), min(created_at) FROM saga WHERE status <> 'done' GROUP BY status"

_steps = msgspec.json.Decoder(tuple[Step, ...])


def insert(module: str, saga: Saga) -> bool:
    """Store a new saga; False when one of its type and key is at work already."""
    values = [
        saga.id,
        saga.type,
        saga.key,
        saga.subject,
        saga.state.phase,
        encode(saga.state).decode(),
        encode(saga.steps).decode(),
        saga.status,
        saga.version,
        saga.deadline_at,
        saga.lease_until,
        saga.due_at,
        saga.created_at,
        saga.created_at,
    ]
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_INSERT, values)
        return bool(cursor.rowcount)


def load(module: str, saga_id: UUID) -> Saga | None:
    """The saga as it stands."""
    return _one(module, _LOAD, [saga_id])


def at_work(module: str, type_: str, key: str) -> Saga | None:
    """The saga of this type and key that is not done, if there is one."""
    return _one(module, _AT_WORK, [type_, key])


def about(module: str, subject: str) -> list[Saga]:
    """All sagas about ``subject``, oldest first."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_ABOUT, [subject])
        return [_read(module, row) for row in cursor.fetchall()]


def swap(module: str, before: Saga, after: Saga, now: datetime) -> bool:
    """Store ``after`` unless somebody changed the saga since ``before`` was read."""
    values = [
        after.state.phase,
        encode(after.state).decode(),
        encode(after.steps).decode(),
        after.status,
        after.version,
        after.deadline_at,
        after.lease_until,
        after.due_at,
        now,
        before.id,
        before.version,
    ]
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_SWAP, values)
        return bool(cursor.rowcount)


def claim(
    module: str, saga_id: UUID, now: datetime, lease: timedelta, version: int | None = None
) -> Saga | None:
    """Take the saga for ``lease`` if it is due, or is still at ``version``, for which a timer came.

    None when it is neither, or another was faster.
    """
    return _one(module, _CLAIM, [now + lease, now + lease, saga_id, now, version])


def due(module: str, now: datetime, limit: int) -> list[UUID]:
    """The sagas somebody should look at, longest overdue first."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_DUE, [now, limit])
        return [row[0] for row in cursor.fetchall()]


def purge(module: str, before: datetime, limit: int) -> int:
    """Drop done sagas that ended before ``before``; how many."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_PURGE, [before, limit])
        return int(cursor.rowcount)


def open_sagas(module: str) -> dict[Status, tuple[int, datetime]]:
    """Status to the number of sagas that are not done and the age of the oldest."""
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(_OPEN)
        return {Status(status): (count, oldest) for status, count, oldest in cursor.fetchall()}


def _one(module: str, sql: str, parameters: list[Any]) -> Saga | None:
    with connections[alias_of(module)].cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone()
    return None if row is None else _read(module, row)


def _read(module: str, row: tuple[Any, ...]) -> Saga:
    id_, type_, key, subject, data, steps, status, version, deadline, lease, due_at, created = row
    return Saga(
        id=id_,
        type=type_,
        key=key,
        subject=subject,
        state=decode(data.encode(), definition_of(module, type_).state),
        steps=_steps.decode(steps),
        status=Status(status),
        version=version,
        deadline_at=deadline,
        lease_until=lease,
        due_at=due_at,
        created_at=created,
    )
