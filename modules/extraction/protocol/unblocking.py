"""Lets a stream go on that a row written around the triggers stands in the way of.

A row of the follower that holds a unique value which the authority has given to another row stops
the stream: its batch cannot be applied, so both sides are never as of one moment. Then the follower
is held where its position stands, P, and compared with the authority as of now, S. A key that the
log does not have between P and S has at P the very row that it has at S: where the follower has
another one, it was written around. Those rows go, in the follower, and are brought again by
``repair``. What the log does have is not judged: applied, it replaces whatever is there.

What goes is counted as done in the stream's sums, and the authority has not claimed it: so they
differ until the table is made right, and whoever is killed in between leaves a follower to which no
swap is possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

from psycopg import sql

from modules.extraction.protocol.copying import Range
from modules.extraction.protocol.crashpoints import crash_point
from modules.extraction.protocol.errors import NotReady
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.positions import Position
from modules.extraction.protocol.reading import Change
from modules.extraction.protocol.scrubbing import Difference, chunks, differing
from modules.extraction.protocol.sides import Connection
from modules.extraction.protocol.streams import Stream
from modules.extraction.protocol.tables import Table

_HOLD = "SELECT position FROM {room}.stream WHERE name = %s FOR UPDATE"
_FOLLOWS = "SELECT owner FROM {room}.ownership WHERE life IS NOT NULL FOR SHARE"
# All that the position's base has not seen: of a batch in pieces a part is applied already, and
# leaving that out as well only judges fewer keys.
_LOGGED = """
SELECT DISTINCT key FROM {room}.unseen(%s::pg_snapshot) WHERE tab = %s AND key = ANY (%s)
"""
_IMAGES = """
SELECT array_agg(t::text)::text FROM {table} AS t WHERE {within} AND {key_text} = ANY (%s)
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where rows were found that nobody has logged."""

    number: int
    keys: Range
    found: tuple[Difference, ...]


def check_follows(stream: Stream) -> None:
    """The end is told that the origin has the module, and hears nothing else before the caller's
    transaction is over: no ``learn``, no ``take_back``. Raises NotReady.
    """
    statement = sql.SQL(_FOLLOWS).format(room=sql.Identifier(stream.end_side.room))
    told = stream.end.execute(statement).fetchone()
    has = read_ownership(stream.origin, stream.origin_side).owner
    if told is None or not told[0] == has == stream.origin_side.name:
        module, end = stream.move.module, stream.end_side.name
        raise NotReady([f"the {end} does not follow the {stream.origin_side.name} in {module}"])


def blocking(stream: Stream, most: int, chunk_rows: int) -> tuple[Difference, ...]:
    """The rows that were written around, as far as that can be told where the stream stands still.

    Raises NotReady when they are more than ``most``.
    """
    return tuple(one for place in _places(stream, most, chunk_rows) for one in place.found)


def unblock(stream: Stream, most: int, chunk_rows: int) -> tuple[Difference, ...]:
    """Take those rows out of the follower; which they were. Raises NotReady as ``blocking`` does,
    with nothing changed.
    """
    gone: list[Difference] = []
    for place in _places(stream, most, chunk_rows):
        with _held(stream) as position:
            check_follows(stream)
            again = _found(stream, position, stream.appliers[place.number].table, place.keys)
            _take_out(stream, _Place(place.number, place.keys, again))
        crash_point("repair.unblocked")
        gone += again
    return tuple(gone)


def images(connection: Connection, table: Table, keys: Range, texts: list[str]) -> str | None:
    """The rows within ``keys`` that have one of these keys, as an array literal; None: there are
    none.
    """
    statement = sql.SQL(_IMAGES).format(
        table=table.qualified, within=keys.holds(table), key_text=table.key_text("t")
    )
    found = connection.execute(statement, [texts]).fetchone() if texts else None
    return found[0] if found else None


def too_many(count: int, most: int) -> NotReady:
    """Why nothing is done."""
    return NotReady(
        [f"{count:,} rows differ, and no more than {most:,} are repaired: something else is wrong"]
    )


def _places(stream: Stream, most: int, chunk_rows: int) -> list[_Place]:
    places: list[_Place] = []
    for number, applier in stream.appliers.items():
        with _held(stream) as position:
            for keys in chunks(stream.origin, _origins(stream, applier.table), chunk_rows):
                found = _found(stream, position, applier.table, keys)
                if found:
                    places.append(_Place(number, keys, found))
    count = sum(len(one.found) for one in places)
    if count > most:
        raise too_many(count, most)
    return places


@contextmanager
def _held(stream: Stream) -> Iterator[Position]:
    """The end stands at its position, the origin is seen as of one later moment."""
    with stream.end.transaction():
        statement = sql.SQL(_HOLD).format(room=sql.Identifier(stream.end_side.room))
        stream.end.execute(statement, [stream.direction])
        position = stream.standing()[0]
        with stream.origin.transaction():
            stream.origin.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield position


def _found(stream: Stream, position: Position, table: Table, keys: Range) -> tuple[Difference, ...]:
    ours = _origins(stream, table)
    _digest, found = differing(stream.origin, stream.end, ours, table, keys)
    statement = sql.SQL(_LOGGED).format(room=sql.Identifier(stream.origin_side.room))
    values = [position.base, table.number, [one.key for one in found]]
    logged = {row[0] for row in stream.origin.execute(statement, values)} if found else set()
    return tuple(one for one in found if one.key not in logged)


def _take_out(stream: Stream, place: _Place) -> None:
    applier = stream.appliers[place.number]
    texts = [one.key for one in place.found if one.kind != "missing"]
    drops = images(stream.end, applier.table, place.keys, texts)
    if drops is not None:
        nothing = Decimal(0)
        applier.apply(stream.end, Change(place.number, 0, nothing, nothing, None, drops))


def _origins(stream: Stream, table: Table) -> Table:
    return table.within(stream.origin_side.schema)
