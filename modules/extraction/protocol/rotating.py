"""Empties a half of a log when all of it is applied.

TRUNCATE, because deleted rows would stay in the index that each read of the log goes through.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from modules.extraction.protocol.flushing import flush
from modules.extraction.protocol.schema import HALF
from modules.extraction.protocol.sides import row
from modules.extraction.protocol.streams import Stream

_IN_USE = "SELECT (last_value >> %s & 1)::integer FROM {room}.log_id"
_UNAPPLIED = """
SELECT EXISTS (SELECT FROM {half} WHERE NOT pg_visible_in_snapshot(xid, %s::pg_snapshot))
"""


def rotate(stream: Stream) -> bool:
    """Empty the half that is not written now, if the stream has all of it; whether it was.

    Waits 50 ms for its lock and no longer. A reader with an older snapshot would find the half
    empty; what it reads was applied, so it would be refused as stale.
    """
    room = sql.Identifier(stream.origin_side.room)
    base = _durable_base(stream)
    try:
        with stream.origin.transaction():
            stream.origin.execute("SET LOCAL lock_timeout = '50ms'")
            (used,) = row(stream.origin, sql.SQL(_IN_USE).format(room=room), [HALF])
            half = sql.Identifier(stream.origin_side.room, f"log_{1 - used}")
            stream.origin.execute(sql.SQL("LOCK TABLE {}").format(half))
            left = stream.origin.execute(sql.SQL(_UNAPPLIED).format(half=half), [base]).fetchone()
            if left and left[0]:
                return False
            stream.origin.execute(sql.SQL("TRUNCATE {}").format(half))
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def _durable_base(stream: Stream) -> str:
    """The position's snapshot, once it is on disk: batches are committed without waiting for it,
    and one that a crash takes is read again.
    """
    position, _copied = stream.standing()
    flush(stream.end)
    return position.base
