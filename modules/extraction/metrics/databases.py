"""What the two databases of a move say: each by itself, and both together.

Each reader has sessions of its own, that a server which does not answer keeps for seconds and not
for ever. Nothing is locked and nothing is written; a count stops at 100,000 rows, a few dozen
milliseconds, lest it keep the log's TRUNCATE waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from psycopg import sql
from psycopg.conninfo import make_conninfo

from modules.extraction.dashboard.copied import copied
from modules.extraction.dashboard.keeping import Pace
from modules.extraction.healing import looked
from modules.extraction.metrics import figures
from modules.extraction.metrics.ages import Ages
from modules.extraction.metrics.figures import Said
from modules.extraction.metrics.recorded import WITHIN
from modules.extraction.moves import source_of, target_of
from modules.extraction.protocol import Direction, Move, NotInstalled, Side, State
from modules.extraction.protocol.digests import read_sums
from modules.extraction.protocol.owning import Ownership, read_ownership
from modules.extraction.protocol.positions import Position
from modules.extraction.protocol.sides import SERVICE, Connection, as_login, connect, row
from modules.extraction.structure import tables_of
from modules.extraction.targets import Target

MOST = 100_000  # changes counted; more are so many anyway
CONNECTS_WITHIN = 2  # seconds; libpq knows no less
STATES = ("waiting", "copying", "done")  # of a table's first copy
_FENCE = """
SELECT CASE WHEN mode = 'fenced'
            THEN extract(epoch FROM clock_timestamp() - changed_at)::float8 ELSE 0 END
FROM {room}.ownership
"""
_SCRUB = """
SELECT (SELECT extract(epoch FROM clock_timestamp() - max(started_at))::float8 FROM {room}.scrub
        WHERE finished_at IS NOT NULL AND differences = 0
          AND started_at > coalesce((SELECT max(started_at) FROM {room}.scrub
                                     WHERE differences > 0), '-infinity')),
       (SELECT differences FROM {room}.scrub WHERE finished_at IS NOT NULL
        ORDER BY started_at DESC LIMIT 1)
"""
_POSITION = "SELECT position FROM {room}.stream WHERE name = %s"
# A snapshot that sees no row which waits is carried; all before it are, too.
_LAG = """
WITH waiting AS MATERIALIZED (
    SELECT l.xid FROM {room}.unseen(%(base)s::pg_snapshot) l
    WHERE %(upto)s::pg_snapshot IS NULL OR l.id > %(after)s
       OR NOT pg_visible_in_snapshot(l.xid, %(upto)s::pg_snapshot)
    LIMIT %(limit)s
)
SELECT (SELECT count(*) FROM waiting), pg_current_snapshot()::text,
       (SELECT count(*) FROM unnest(%(earlier)s::pg_snapshot[]) AS s (snapshot)
        WHERE NOT EXISTS (SELECT FROM waiting w WHERE pg_visible_in_snapshot(w.xid, s.snapshot)))
"""
_SESSION = """
SELECT EXISTS (SELECT FROM pg_stat_activity a
               WHERE a.datname = current_database() AND a.application_name = %s
                 -- what a verb or a look at the lag opens is over sooner
                 AND a.backend_start < clock_timestamp() - interval '1 second')
"""


def sides_of(module: str, target: Target) -> tuple[Side, Side]:
    """The monolith's and the service's, as a scrape connects to them."""
    return _bounded(source_of(module)), _bounded(target_of(module, target))


def read_side(module: str, side: Side) -> Iterator[Said]:
    """What one database knows alone. Raises psycopg's errors, and NotInstalled."""
    with _session(side) as connection:
        read_ownership(connection, side)  # else it would be a table that is missing
        (age,) = row(connection, _in(side, _FENCE))
        yield figures.FENCE_AGE.of(module, side.name, value=age)
        # The sums stand where a stream ends.
        way = Direction.REVERSE if side.is_source else Direction.FORWARD
        sums = read_sums(connection, side, way).values()
        unequal = sum(claimed != actual for claimed, actual in sums)
        yield figures.UNEQUAL.of(module, way.value, value=unequal)
        if not side.is_source:
            yield from _scrubbed(module, connection, side)


def _scrubbed(module: str, connection: Connection, side: Side) -> Iterator[Said]:
    age, differences = row(connection, _in(side, _SCRUB))
    if age is not None:
        yield figures.SCRUB_AGE.of(module, value=age)
    if differences is not None:
        yield figures.SCRUB_DIFFERENCES.of(module, value=differences)


def read_both(module: str, source: Side, target: Side, ages: Ages) -> Iterator[Said]:
    """What only the two together say. Raises psycopg's errors and the protocol's."""
    move = Move(module=module, source=source, target=target, tables=tables_of(source))
    found = looked(move)
    for state in State:
        yield figures.STATE.of(module, state.value, value=state is found)
    if found in (State.NOT_INSTALLED, State.HALF_INSTALLED):
        return
    yield from _copied(move)
    with _session(source) as ours, _session(target) as theirs:
        has = read_ownership(ours, source)
        way = Direction.REVERSE if has.owner == SERVICE else Direction.FORWARD
        origin, end = (ours, theirs) if way is Direction.FORWARD else (theirs, ours)
        yield from _lag(move, way, origin, end, has, ages)
        is_carried = _has_session(end, f"ficus {module} {way} apply")
        yield figures.CARRIED.of(module, value=is_carried)
        yield figures.WATCHED.of(module, value=_has_session(ours, f"ficus {module} heal"))


def _copied(move: Move) -> Iterator[Said]:
    found = copied(move, Pace())
    yield figures.COPIED.of(move.module, value=found.done)
    yield figures.TO_COPY.of(move.module, value=found.total)
    states = Counter(one.state for one in found.tables)
    for state in STATES:
        yield figures.TABLES.of(move.module, state, value=states[state])


def _lag(
    move: Move, way: Direction, origin: Connection, end: Connection, has: Ownership, ages: Ages
) -> Iterator[Said]:
    from_side, to_side = way.ends(move)
    found = end.execute(_in(to_side, _POSITION), [way]).fetchone()
    if found is None:
        raise NotInstalled(move.module, to_side.name)
    position = Position.parse(found[0])
    earlier = ages.earlier(move.module, (has.life, way))
    asked = {
        "base": position.base,
        "upto": position.upto,
        "after": position.after,
        "limit": MOST,
        "earlier": earlier,
    }
    rows, snapshot, carried = row(origin, _in(from_side, _LAG), asked)
    seconds = ages.note(move.module, asked=len(earlier), carried=carried, snapshot=snapshot)
    yield figures.LAG_ROWS.of(move.module, value=rows)
    yield figures.LAG_SECONDS.of(move.module, value=seconds)


def _has_session(connection: Connection, name: str) -> bool:
    # To the owner of the schema it is not shown when a session of the login began.
    with as_login(connection):
        (found,) = row(connection, _SESSION, [name])
    return bool(found)


@contextmanager
def _session(side: Side) -> Iterator[Connection]:
    with connect(side, purpose="metrics") as connection:
        connection.execute(WITHIN)
        yield connection


def _bounded(side: Side) -> Side:
    return replace(side, url=make_conninfo(side.url, connect_timeout=CONNECTS_WITHIN))


def _in(side: Side, statement: str) -> sql.Composed:
    return sql.SQL(statement).format(room=sql.Identifier(side.room))
