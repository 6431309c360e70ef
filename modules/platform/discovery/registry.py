"""The registry's own rules, in SQL: who is there, since when, until when. All times PostgreSQL's.

Instances do not agree on the time of day, so nobody's clock but the database's is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from django.db import DEFAULT_DB_ALIAS, connections

from modules.platform.contracts import current_context
from modules.platform.discovery.errors import IdTaken, InstanceUnknown
from modules.platform.discovery.instances import Instance, Role
from modules.platform.discovery.wire import TTL, Announcement

log = structlog.get_logger(__name__)

LONGEST_REASON = 500  # characters
SILENT_KEPT = "1 hour"  # so that people see who is gone
CONTRACT_KEPT = "30 days"  # longer than a release lives

_REGISTER = """
INSERT INTO discovery_instance AS known
    (id, module, url, role, version, contract, capacity, grpc_url, issuer,
     registered_at, seen_at, expires_at, dropped_by, drop_reason)
VALUES (%(id)s, %(module)s, %(url)s, %(role)s, %(version)s, %(contract)s, %(capacity)s,
        %(grpc_url)s, %(issuer)s, clock_timestamp(), clock_timestamp(),
        clock_timestamp() + make_interval(secs => %(ttl)s), '', '')
ON CONFLICT (id) DO UPDATE SET
    url = excluded.url, role = excluded.role, version = excluded.version,
    contract = excluded.contract, capacity = excluded.capacity, grpc_url = excluded.grpc_url,
    registered_at = excluded.registered_at, seen_at = excluded.seen_at,
    expires_at = excluded.expires_at, in_flight = NULL
WHERE known.issuer = excluded.issuer AND known.module = excluded.module
RETURNING xmax = 0
"""
_HEARTBEAT = """
UPDATE discovery_instance
SET seen_at = clock_timestamp(), in_flight = %(in_flight)s,
    expires_at = clock_timestamp() + make_interval(secs => %(ttl)s)
WHERE id = %(id)s AND issuer = %(issuer)s
RETURNING dropped_at IS NULL
"""
_COLUMNS = """
id, module, url, role, version, contract, capacity, in_flight, issuer, seen_at,
extract(epoch FROM clock_timestamp() - seen_at)::float8,
CASE WHEN dropped_at IS NOT NULL THEN 'dropped'
     WHEN expires_at > clock_timestamp() THEN 'live' ELSE 'expired' END,
dropped_by, drop_reason, grpc_url
"""
_ALL = f"SELECT {_COLUMNS} FROM discovery_instance"  # noqa: S608 - constants only
_LIVE = f"""
{_ALL} WHERE dropped_at IS NULL AND expires_at > clock_timestamp()
  AND (%(module)s::text IS NULL OR module = %(module)s) ORDER BY id
"""
_DROP = """
UPDATE discovery_instance
SET dropped_at = clock_timestamp(), dropped_by = %(by)s, drop_reason = %(reason)s
WHERE id = %(id)s
"""
_RESTORE = """
UPDATE discovery_instance SET dropped_at = NULL, dropped_by = '', drop_reason = '' WHERE id = %(id)s
"""
_FORGET = """
DELETE FROM discovery_instance WHERE expires_at < clock_timestamp() - %(kept)s::interval
"""
_FORGET_CONTRACTS = """
DELETE FROM discovery_contract c WHERE announced_at < clock_timestamp() - %(kept)s::interval
  AND NOT EXISTS (SELECT 1 FROM discovery_instance i WHERE i.contract = c.fingerprint)
"""
_ANNOUNCE_CONTRACT = """
INSERT INTO discovery_contract (fingerprint, module, schema, announced_at)
VALUES (%(fingerprint)s, %(module)s, %(schema)s, clock_timestamp())
ON CONFLICT (fingerprint) DO UPDATE SET announced_at = excluded.announced_at
"""


class State(StrEnum):
    """Where a registered instance stands."""

    LIVE = "live"
    EXPIRED = "expired"  # silent for longer than the registry's time to live
    DROPPED = "dropped"  # an operator said so; heard of, and not listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row for people. ``age`` is the silence in seconds, ``in_flight`` None if it never said."""

    id: str
    module: str
    url: str
    role: str
    version: str
    contract: str
    capacity: int
    in_flight: int | None
    issuer: str
    seen_at: datetime
    age: float
    state: State
    dropped_by: str
    drop_reason: str
    grpc_url: str


def register(id: str, said: Announcement, *, issuer: str, ttl: float = TTL) -> bool:
    """Add or replace; counts as a heartbeat and does not undo a drop. True if ``id`` is new.

    Raises IdTaken when ``id`` is another issuer's or another module's.
    """
    values = {
        "id": id,
        "module": said.module,
        "url": said.url,
        "role": str(said.role),
        "version": said.version,
        "contract": said.contract,
        "capacity": said.capacity,
        "grpc_url": said.grpc_url,
        "issuer": issuer,
        "ttl": ttl,
    }
    found = _rows(_REGISTER, values)
    if not found:
        raise IdTaken(id=id)
    return bool(found[0][0])


def heartbeat(id: str, *, issuer: str, in_flight: int | None = None, ttl: float = TTL) -> bool:
    """Still there; also one that had expired. Whether it is listed: not when it is dropped.

    One UPDATE by primary key. Raises InstanceUnknown, also for another issuer's instance.
    """
    found = _rows(_HEARTBEAT, {"id": id, "issuer": issuer, "in_flight": in_flight, "ttl": ttl})
    if not found:
        raise InstanceUnknown(id=id)
    return bool(found[0][0])


def deregister(id: str, *, issuer: str) -> None:
    """Gone by its own word. Raises InstanceUnknown."""
    gone = "DELETE FROM discovery_instance WHERE id = %(id)s AND issuer = %(issuer)s"
    if not _done(gone, {"id": id, "issuer": issuer}):
        raise InstanceUnknown(id=id)


def live(module: str | None = None) -> tuple[Instance, ...]:
    """The instances to ask, by id; of all modules when none is named."""
    return tuple(_instance(_entry(row)) for row in _rows(_LIVE, {"module": module}))


def entries(module: str | None = None) -> tuple[Entry, ...]:
    """All rows by module and id: live, expired and dropped ones."""
    chosen = f"{_ALL} WHERE %(module)s::text IS NULL OR module = %(module)s ORDER BY module, id"
    return tuple(_entry(row) for row in _rows(chosen, {"module": module}))


def entry(id: str) -> Entry:
    """One row. Raises InstanceUnknown."""
    found = _rows(f"{_ALL} WHERE id = %(id)s", {"id": id})
    if not found:
        raise InstanceUnknown(id=id)
    return _entry(found[0])


def drop(id: str, *, reason: str) -> None:
    """List it no longer, whatever it says, until ``restore``. Raises InstanceUnknown."""
    if not _done(_DROP, {"id": id, "reason": reason[:LONGEST_REASON], "by": _actor()}):
        raise InstanceUnknown(id=id)
    log.warning("registry.dropped", instance=id, by=_actor(), reason=reason)


def restore(id: str, *, reason: str) -> None:
    """Undo ``drop``. Raises InstanceUnknown."""
    if not _done(_RESTORE, {"id": id}):
        raise InstanceUnknown(id=id)
    log.warning("registry.restored", instance=id, by=_actor(), reason=reason)


def forget_old() -> int:
    """Delete instances that were silent for an hour, and contracts nobody serves any more."""
    gone = _done(_FORGET, {"kept": SILENT_KEPT})
    return gone + _done(_FORGET_CONTRACTS, {"kept": CONTRACT_KEPT})


def announce_contract(fingerprint: str, module: str, schema: str) -> None:
    """Keep a schema under its fingerprint; the same one may be announced again and again."""
    _done(_ANNOUNCE_CONTRACT, {"fingerprint": fingerprint, "module": module, "schema": schema})


def contract(fingerprint: str) -> str | None:
    """The schema with that fingerprint, as JSON; None when nobody announced it."""
    wanted = "SELECT schema FROM discovery_contract WHERE fingerprint = %(fingerprint)s"
    found = _rows(wanted, {"fingerprint": fingerprint})
    return str(found[0][0]) if found else None


def _actor() -> str:
    actor = current_context().actor
    return (actor.label or actor.id or "console")[:200]


def _rows(sql: str, values: dict[str, Any]) -> list[Sequence[Any]]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _done(sql: str, values: dict[str, Any]) -> int:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def _entry(row: Sequence[Any]) -> Entry:
    values = dict(zip(Entry.__dataclass_fields__, row, strict=True))
    return Entry(**values | {"state": State(values["state"])})


def _instance(one: Entry) -> Instance:
    return Instance(
        id=one.id,
        module=one.module,
        url=one.url,
        role=Role(one.role),
        version=one.version,
        contract=one.contract,
        capacity=one.capacity,
        grpc_url=one.grpc_url,
    )
