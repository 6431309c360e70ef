"""The two databases of a move, and how the protocol connects to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from modules.extraction.protocol.errors import Unmovable

MONOLITH, SERVICE = "monolith", "service"
OLDEST = 15  # before, no role could be given SET on a parameter
Connection = psycopg.Connection[tuple[Any, ...]]
Query = Sequence[Any] | Mapping[str, Any] | None

# A network that loses packets ends no session. Left to the kernels, who has asked waits a quarter
# of an hour for an answer, who listens two hours, and a server keeps the locks of who is gone.
#
# Seconds without a word from the other machine's kernel, which answers for a process that is busy
# or stopped, too: ten times the fence's time to live. Who takes no bytes for as long counts as
# away as well (a COPY to a disk that stands still), so it must not be much less.
SILENCE = 10.0
PROBE = 1  # seconds: how often a kernel asks whether the other is there; the least that there is
CONNECTS_WITHIN = 10  # seconds: for that the other's processor is needed, too

# Text images of rows must read back as they were written, whatever the login's own settings are.
_SESSION = """
SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;
SET jit = off; SET bytea_output = 'hex'; SET synchronous_commit = on;
"""
# The server's end of the same connection: it keeps the locks of a client that is cut off so long.
_NOTICE = """
SET tcp_keepalives_idle = {probe}; SET tcp_keepalives_interval = {probe};
SET tcp_keepalives_count = {probes}; SET tcp_user_timeout = {silence};
"""
# Deadlock detection after 50 ms: a writer that waits for somebody who queues behind the fence is
# let past by the detector before the fence gives up. Only superusers may set it.
_DETECT = "SELECT set_config('deadlock_timeout', '50ms', false) " + (
    "WHERE has_parameter_privilege('deadlock_timeout', 'SET')"
)
# A refused connection has no SQLSTATE; where the server speaks another language it counts as away.
_NO_DATABASE = re.compile(r'database ".*" does not exist')
_OWNER = """
SELECT pg_get_userbyid(nspowner), pg_get_userbyid(nspowner) = current_user
FROM pg_namespace WHERE nspname = %s
"""


@dataclass(frozen=True, slots=True)
class Side:
    """Where the module's tables are: a libpq connection string and a schema."""

    name: Literal["monolith", "service"]
    url: str
    schema: str

    @property
    def room(self) -> str:
        """The schema of the protocol's own tables and functions, beside the module's."""
        return f"{self.schema}_move"

    @property
    def is_source(self) -> bool:
        """Whether the truth about ownership stands here: in the monolith's database."""
        return self.name == MONOLITH


@dataclass(frozen=True, slots=True)
class Move:
    """A module under extraction. ``tables`` are unqualified names; a partitioned table is named
    once, without its partitions. Both sides have the same tables.
    """

    module: str
    source: Side
    target: Side
    tables: tuple[str, ...]

    def __post_init__(self) -> None:
        if (self.source.name, self.target.name) != (MONOLITH, SERVICE):
            raise ValueError("a move goes from the monolith to the service")
        if len(set(self.tables)) != len(self.tables) or not self.tables:
            raise ValueError("a move needs tables, each named once")

    @property
    def sides(self) -> tuple[Side, Side]:
        """Source, then target."""
        return self.source, self.target


class Direction(StrEnum):
    """Which way a stream runs."""

    FORWARD = "forward"  # monolith to service, until the cutover
    REVERSE = "reverse"  # service to monolith, from the cutover on

    def ends(self, move: Move) -> tuple[Side, Side]:
        """From, to."""
        if self is Direction.FORWARD:
            return move.source, move.target
        return move.target, move.source


def connect(side: Side, *, purpose: str, applies: bool = False) -> Connection:
    """An autocommitting session of the protocol, working as the owner of the module's schema.

    One that ``applies`` marks its writes as the applier's: the guards let them pass, they are not
    captured again, and the module's own triggers and foreign keys stay quiet, because what is
    applied has been through them at its origin. That takes SET on ``session_replication_role``.
    It must be a direct connection, or one that a pool keeps for the whole session. Raises Unmovable
    when the server is older than PostgreSQL 15, and ``psycopg.OperationalError`` when it is away;
    so does each statement when it is away for SILENCE.
    """
    connection = psycopg.connect(
        bounded(side.url), autocommit=True, application_name=f"ficus {side.schema} {purpose}"
    )
    try:
        _check_version(connection, side)
        connection.execute(_SESSION + _notice())
        connection.execute(_DETECT)
        if applies:
            connection.execute("SET session_replication_role = replica")
            connection.execute("SELECT set_config('ficus.applier', %s, false)", [side.schema])
        _become_owner(connection, side.schema)
    except BaseException:
        connection.close()
        raise
    return connection


def bounded(url: str) -> str:
    """``url`` for a session that does not outlast its network; what it says itself stays."""
    bounds = {
        "connect_timeout": CONNECTS_WITHIN,
        "keepalives_idle": PROBE,
        "keepalives_interval": PROBE,
        "keepalives_count": ceil(SILENCE / PROBE),
        "tcp_user_timeout": int(SILENCE * 1000),
    }
    return make_conninfo("", **{**bounds, **conninfo_to_dict(url)})


@contextmanager
def as_login(connection: Connection) -> Iterator[None]:
    """For what PostgreSQL shows and allows the login alone: its other sessions. To the owner of the
    schema, as which a session of the protocol works, their transactions do not exist.
    """
    (role,) = row(connection, "SELECT current_user")
    connection.execute("SET ROLE NONE")
    try:
        yield
    finally:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def is_missing(error: psycopg.OperationalError) -> bool:
    """Whether there is no such database at all; in any other case it may come back."""
    return _NO_DATABASE.search(str(error)) is not None


def _notice() -> str:
    probes, silence = ceil(SILENCE / PROBE), int(SILENCE * 1000)
    return _NOTICE.format(probe=PROBE, probes=probes, silence=silence)


def _check_version(connection: Connection, side: Side) -> None:
    if (version := connection.info.server_version // 10000) < OLDEST:
        raise Unmovable([f"the {side.name} is on PostgreSQL {version}; {OLDEST} is the oldest"])


def _become_owner(connection: Connection, schema: str) -> None:
    found = connection.execute(_OWNER, [schema]).fetchone()
    if found is not None and not found[1]:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(found[0])))


def row(
    connection: Connection, statement: sql.Composed | str, values: Query = None
) -> tuple[Any, ...]:
    """The one row that ``statement`` always has."""
    found = connection.execute(statement, values).fetchone()
    if found is None:
        raise psycopg.DataError("a statement that always has a row had none")
    return found


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """What the block executes goes to the server at once: one round trip. Its answers may be read
    afterwards. Raises the first refusal; nothing behind it is done.

    It ends with a Flush, behind which PostgreSQL measures no idle time of a transaction until it
    hears something more.
    """
    first: psycopg.Error | None = None
    try:
        # No sync() in it: that does not send more than a socket's buffer holds, and waits for good.
        with connection.pipeline():
            try:
                yield
            except psycopg.Error as error:
                first = error
    except psycopg.Error as error:
        raise first or _cause(error) from None
    if first is not None:
        raise first


def _cause(error: BaseException) -> BaseException:
    """What was refused first: each statement behind it says only that it was not done."""
    while isinstance(error, psycopg.errors.PipelineAborted) and error.__context__ is not None:
        error = error.__context__
    return error
