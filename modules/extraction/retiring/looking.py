"""What must hold before the monolith's copy goes: looked at in both databases and on the disk."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg import sql

from modules.extraction import facts, standings
from modules.extraction.drilling.room import size
from modules.extraction.filling import CAUGHT_UP
from modules.extraction.guards import Facts, Guard
from modules.extraction.models import Receipt
from modules.extraction.moves import move_of
from modules.extraction.phases import Phase
from modules.extraction.protocol import Direction, Move, ProtocolError, Stream, compare
from modules.extraction.protocol.draining import catch_up
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, Connection, connect
from modules.extraction.retiring import tombstones
from modules.extraction.retiring.tombstones import Tombstone
from modules.platform.discovery import Role

SCRUBBED_WITHIN = timedelta(days=1)
LATE = timedelta(minutes=1)  # what waits longer than that is not being done
ROOM = 2  # times the size of the tables: the archive, and a table beside it while it is read
LEAST = 64 * 1024 * 1024  # bytes
_SCRUB = """
SELECT max(started_at) FILTER (WHERE differences = 0 AND finished_at IS NOT NULL),
       max(started_at) FILTER (WHERE differences > 0)
FROM {}.scrub WHERE direction = 'reverse' AND started_at > %s
"""
# Each says how much has waited for longer than it may. A table that a module has not is left out.
_WAITING = (
    ("bus_outbox", "events", "bus_subscription", """
        SELECT count(*) FROM {schema}.bus_outbox o
        WHERE o.created_at < clock_timestamp() - %s AND EXISTS (
            SELECT FROM {schema}.bus_subscription s
            WHERE s.part = o.part AND s.state NOT IN ('ended', 'new') AND s.acked < o.id
              AND o.type = ANY (s.types))
     """),
    ("bus_timer", "timers", "bus_timer", """
        SELECT count(*) FROM {schema}.bus_timer
        WHERE state = 'due' AND due_at < clock_timestamp() - %s
     """),
    ("saga", "sagas", "saga", """
        SELECT count(*) FROM {schema}.saga
        WHERE status = 'running' AND due_at < clock_timestamp() - %s
          AND coalesce(lease_until, '-infinity') < clock_timestamp()
     """),
    ("bus_parked", "parked events", "bus_parked", """
        SELECT count(*) FROM {schema}.bus_parked
        WHERE state <> 'resolved' AND next_at < clock_timestamp() - %s
     """),
)  # fmt: skip


def archives_folder() -> Path:
    """Where archives are kept, readable to this host's user only."""
    return Path(settings.FICUS_HOME) / "archives"


def found(module: str, after: timedelta) -> Facts:
    """Everything for the table of ``retire``. Changes nothing but what the stream brings anyway."""
    if standings.standing_of(module).phase is not Phase.EXTRACTED:
        return Facts()  # refused by its phase, which says more
    move = move_of(module)
    stone = buried(move)
    if stone is not None:
        rest: tuple[Guard, ...] = (_dropped(stone),)
    else:
        rest = (*_of_databases(move), _since(module, after), _room(module))
    return Facts(
        own_instances=facts.live_instances(module, Role.OWN),
        doors_away=facts.doors_away(module),
        protocol=rest,
    )


def buried(move: Move) -> Tombstone | None:
    """The monolith's word that its copy is gone; None while it is there."""
    with connect(move.source, purpose="retire") as source:
        return tombstones.found_in(source, move.source)


def _dropped(stone: Tombstone) -> Guard:
    """What a retirement that was killed has done already."""
    have = f"dropped, archived in {Path(stone.archive).name}"
    return Guard(name="the monolith's copy", have=have, need="archived", passes=True)


def _of_databases(move: Move) -> tuple[Guard, ...]:
    try:
        with (
            connect(move.source, purpose="retire") as source,
            connect(move.target, purpose="retire") as target,
        ):
            return (
                _authority(move, source, target),
                _drained(move),
                _digests(move),
                _scrubbed(move, target),
                _waiting(move, target),
            )
    except (ProtocolError, TimeoutError, psycopg.Error) as error:
        have = str(error).strip().partition("\n")[0]
        return (Guard(name="both databases", have=have, need="answer", passes=False),)


def _authority(move: Move, source: Connection, target: Connection) -> Guard:
    ours, theirs = read_ownership(source, move.source), read_ownership(target, move.target)
    have = f"{ours.owner} ({ours.mode}), the service says {theirs.owner} ({theirs.mode})"
    fine = {(one.owner, one.mode) for one in (ours, theirs)} == {(SERVICE, "open")}
    need = "service (open) on both sides"
    return Guard(name="authority", have=have, need=need, passes=fine)


def _drained(move: Move) -> Guard:
    with Stream(move, Direction.REVERSE) as stream:
        catch_up(stream)
        lag = stream.lag(limit=CAUGHT_UP + 1)
    need = f"at most {CAUGHT_UP}"
    return Guard(name="lag", have=f"{lag} rows", need=need, passes=lag <= CAUGHT_UP)


def _digests(move: Move) -> Guard:
    unequal = [one.table for one in compare(move) if not one.equal]
    have = f"different: {', '.join(unequal)}" if unequal else "equal"
    return Guard(name="digests", have=have, need="equal", passes=not unequal)


def _scrubbed(move: Move, target: Connection) -> Guard:
    """Since the cutover, from the service's side: before it, the other copy was looked at."""
    cutover = _cutover_at(move.module) or datetime.now(UTC)
    statement = sql.SQL(_SCRUB).format(sql.Identifier(move.target.room))
    row = target.execute(statement, [cutover]).fetchone()
    clean, dirty = row or (None, None)
    is_clean = clean is not None and (dirty is None or dirty < clean)
    age = datetime.now(UTC) - clean if is_clean else None
    have = f"{age.total_seconds():.0f} s ago" if age else "never since the cutover, or not clean"
    limit = SCRUBBED_WITHIN.total_seconds()
    return Guard(
        name="scrub",
        have=have,
        need=f"clean, at most {limit:.0f} s ago (strangler verify {move.module})",
        passes=age is not None and age <= SCRUBBED_WITHIN,
    )


def _waiting(move: Move, target: Connection) -> Guard:
    """What the service should have done long ago, and has not: perhaps it cannot."""
    found = []
    schema = sql.Identifier(move.target.schema)
    for table, what, needs, query in _WAITING:
        if not all(_has(target, move.target.schema, one) for one in (table, needs)):
            continue
        (count,) = target.execute(
            sql.SQL(query).format(schema=schema),
            [LATE],
        ).fetchall()[0]
        if count:
            found.append(f"{count} {what}")
    have = ", ".join(found) or "nothing"
    need = f"nothing for longer than {LATE.total_seconds():.0f} s"
    return Guard(name="work that waits", have=have, need=need, passes=not found)


def _has(connection: Connection, schema: str, table: str) -> bool:
    name = sql.Identifier(schema, table).as_string(connection)
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return bool(row and row[0])


def _since(module: str, after: timedelta) -> Guard:
    at = _cutover_at(module)
    age = datetime.now(UTC) - at if at else timedelta(0)
    return Guard(
        name="extracted for",
        have=f"{age.total_seconds() / 3600:.1f} h",
        need=f"{after.total_seconds() / 3600:g} h or more",
        passes=at is not None and age >= after,
    )


def _cutover_at(module: str) -> datetime | None:
    found = Receipt.objects.filter(module=module, kind="cutover").order_by("id").last()
    return found.made_at if found else None


def _room(module: str) -> Guard:
    folder = archives_folder()
    existing = next(one for one in (folder, *folder.parents) if one.exists())
    free, wanted = shutil.disk_usage(existing).free, LEAST + ROOM * size(module)[1]
    return Guard(
        name="room for the archive",
        have=f"{free / 1e6:,.0f} MB",
        need=f"{wanted / 1e6:,.0f} MB",
        passes=free >= wanted,
    )
