"""Who may write to a module, as its database knows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg import sql

from modules.extraction.protocol.errors import NotInstalled
from modules.extraction.protocol.sides import Connection, Side, connect

_READ = """
SELECT owner, epoch, mode, fence_deadline, marker,
       mode = 'fenced' AND clock_timestamp() >= fence_deadline, life::text
FROM {}.ownership
"""


@dataclass(frozen=True, slots=True)
class Ownership:
    """The one row. In the source it is the truth; in the target what it was told."""

    owner: str  # monolith | service
    epoch: int
    mode: str  # open | fenced
    fence_deadline: datetime | None  # of the last fence
    marker: int | None  # the log's number at the last fence
    is_overdue: bool  # fenced, past its deadline by the database's own clock
    life: str | None  # the installation's id; None: capture or guards may be missing


def ownership(side: Side) -> Ownership:
    """What ``side``'s database says. Raises NotInstalled."""
    with connect(side, purpose="ownership") as connection:
        return read_ownership(connection, side)


def read_ownership(connection: Connection, side: Side) -> Ownership:
    """The same, in a session that is there. Raises NotInstalled."""
    try:
        row = connection.execute(sql.SQL(_READ).format(sql.Identifier(side.room))).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    if row is None:
        raise NotInstalled(side.schema, side.name)
    return Ownership(*row)
