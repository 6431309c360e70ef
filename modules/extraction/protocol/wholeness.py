"""Whether capture and guards stand on every table of both sides, and have stood since the copy.

Each installation has a ``life``: an id that both databases have from the moment when both are ready
and the target is empty. It goes, in a commit of its own, before the first trigger does, and never
comes back: the next installation has another one, and begins with an empty target. So the same
life on both sides says that nothing was written uncaptured since the copy began.
"""

from __future__ import annotations

from psycopg import sql

from modules.extraction.protocol.errors import CaptureAway, NotInstalled, StillMoved
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import Connection, Move, Side

_IS_THERE = "SELECT to_regclass(%s) IS NOT NULL"
_PART = """
UPDATE {room}.ownership
SET life = NULL, owner = 'monolith', mode = 'open', changed_at = clock_timestamp()
WHERE {known} OR owner = 'monolith' AND mode = 'open' RETURNING epoch
"""
_VOID = "UPDATE {room}.ownership SET life = NULL, changed_at = clock_timestamp()"
# What a hand has taken off or disabled counts as well. Partitions have their capture from their
# parent; a guard of their own matters only to sessions that name them.
_MISSING = """
SELECT DISTINCT c.relname FROM pg_class c
CROSS JOIN unnest(ARRAY['ficus_capture', 'ficus_guard', 'ficus_guard_truncate']) AS wanted (name)
WHERE c.relnamespace = {schema}::regnamespace AND c.relkind IN ('r', 'p')
  AND (c.relname = ANY (%(tables)s) OR wanted.name = 'ficus_capture' AND c.relispartition
       AND (SELECT relname FROM pg_class WHERE oid = pg_partition_root(c.oid)) = ANY (%(tables)s))
  AND NOT EXISTS (
      SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
      WHERE t.tgrelid = c.oid AND t.tgname = wanted.name
        AND (t.tgenabled = 'A' OR c.relispartition AND t.tgenabled = 'O')
        AND p.pronamespace = {room}::regnamespace)
ORDER BY 1
"""
_STAY = "SELECT life FROM {room}.ownership WHERE life IS NOT NULL FOR SHARE"


def is_installed(connection: Connection, side: Side) -> bool:
    """Whether ``side`` has the protocol's tables."""
    found = connection.execute(_IS_THERE, [f'"{side.room}".pace']).fetchone()
    return bool(found and found[0])


def check_same_life(move: Move, source: Connection, target: Connection) -> None:
    """Raises NotInstalled, and CaptureAway unless both sides are of one installation."""
    ours, theirs = read_ownership(source, move.source), read_ownership(target, move.target)
    if ours.life is None or ours.life != theirs.life:
        raise CaptureAway(move.module)


def check_whole(move: Move, source: Connection, target: Connection) -> None:
    """The same, and all triggers are where they were put."""
    check_same_life(move, source, target)
    for side, connection in zip(move.sides, (source, target), strict=True):
        statement = sql.SQL(_MISSING).format(
            schema=sql.Literal(sql.Identifier(side.schema).as_string(connection)),
            room=sql.Literal(sql.Identifier(side.room).as_string(connection)),
        )
        if connection.execute(statement, {"tables": list(move.tables)}).fetchone():
            raise CaptureAway(move.module)


def is_whole(move: Move, source: Connection, target: Connection) -> bool:
    """Whether that holds."""
    try:
        check_whole(move, source, target)
    except (NotInstalled, CaptureAway):
        return False
    return True


def check_stays(connection: Connection, side: Side) -> None:
    """Whoever is about to take the life away waits for the end of the caller's transaction.

    Raises CaptureAway when it has gone already.
    """
    statement = sql.SQL(_STAY).format(room=sql.Identifier(side.room))
    if connection.execute(statement).fetchone() is None:
        raise CaptureAway(side.schema)


def part(move: Move, source: Connection, target: Connection | None) -> int:
    """Void whatever installation there is: no fence, no cutover any more. The highest epoch of it.

    Raises StillMoved, with nothing changed, unless the monolith has the module, open. The source
    says so; where it has nothing, the target.
    """
    epochs = [0]
    is_known = is_installed(source, move.source)
    if is_known:
        epochs.append(_parted(source, move.source, known=False))
    if target is not None and is_installed(target, move.target):
        epochs.append(_parted(target, move.target, known=is_known))
    return max(epochs)


def void(connection: Connection, side: Side) -> None:
    """One side's life goes, whoever has the module."""
    if is_installed(connection, side):
        connection.execute(sql.SQL(_VOID).format(room=sql.Identifier(side.room)))


def _parted(connection: Connection, side: Side, *, known: bool) -> int:
    statement = sql.SQL(_PART).format(room=sql.Identifier(side.room), known=sql.Literal(known))
    found = connection.execute(statement).fetchone()
    if found is None:
        has = read_ownership(connection, side)
        raise StillMoved(side.schema, f"{has.mode} for the {has.owner}")
    return int(found[0])
