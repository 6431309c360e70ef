"""What was read from a log must outlast a crash of its server, before the other end counts on it.

A transaction that does not wait for the disk (``synchronous_commit = off``), or that fails, has
ended for everybody else before its end is on disk. If the server crashes in between, PostgreSQL
forgets it and gives its id to another transaction; a position that counts the id as seen would
leave the other one's changes out. So a position is committed only when the origin's write-ahead log
is on disk as far as it went when the batch was read: whatever the position's snapshot counts as
ended has its end in there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from modules.extraction.protocol.sides import Connection

# A commit that waits takes all before it to the disk, if its own transaction has written anything:
# one that has only drawn an id does not wait.
_WRITE = "pg_logical_emit_message(true, 'ficus', '')"
_WRITE_THROUGH = "pg_logical_emit_message(false, 'ficus', '', true)"  # from PostgreSQL 17 on
_FLUSH = f"SELECT set_config('synchronous_commit', 'on', true), {_WRITE}"
_IF_BEHIND = "SELECT CASE WHEN pg_current_wal_flush_lsn() < %s::pg_lsn THEN {} END"


@contextmanager
def flushed(origin: Connection, written: str) -> Iterator[None]:
    """The block ends when all of the origin's write-ahead log before ``written`` is on disk.

    From PostgreSQL 17 on both at once: the origin writes while the block works; before, it writes
    first. ``origin`` is in no transaction, and commits synchronously. Raises
    ``psycopg.OperationalError`` when it is away.
    """
    writes_through = origin.info.server_version >= 170000
    with origin.pipeline() as pipeline:
        write = _WRITE_THROUGH if writes_through else _WRITE
        origin.execute(_IF_BEHIND.format(write), [written], prepare=True)
        if not writes_through:
            pipeline.sync()  # it is the commit that waits, and psycopg waits for that here
        yield


def flush(connection: Connection) -> None:
    """All that was committed in this database before is on disk afterwards. One round trip."""
    connection.execute(_FLUSH)
