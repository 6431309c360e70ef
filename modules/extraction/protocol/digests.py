"""Whether two copies of a module are the same, from sums that are kept while rows pass.

Per stream and table the end keeps what the origin claims to have sent and what that has done to
the table, as a count and two sums of hashes. Both tables began empty or copied, so each side's
digest is what its own log claims plus what the other's stream has done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from psycopg import sql

from modules.extraction.protocol.sides import Connection, Direction, Move, Side, connect

_SUMS = """
SELECT tab, claimed_n, claimed_1, claimed_2, actual_n, actual_1, actual_2
FROM {here}.sums WHERE stream = %s ORDER BY tab
"""


@dataclass(frozen=True, slots=True)
class Digest:
    """Count and two sums of hashes of a set of rows; of a difference, they may be negative."""

    count: int
    sum_1: Decimal
    sum_2: Decimal

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.count + other.count, self.sum_1 + other.sum_1, self.sum_2 + other.sum_2)

    @property
    def sums(self) -> tuple[int, int]:
        """Both sums."""
        return int(self.sum_1), int(self.sum_2)


@dataclass(frozen=True, slots=True)
class TableDigest:
    """A table on both sides, as of the streams' positions."""

    table: str
    source_count: int
    source_sums: tuple[int, int]
    target_count: int
    target_sums: tuple[int, int]
    equal: bool


Pair = tuple[Digest, Digest]  # claimed, actual


def read_sums(connection: Connection, end: Side, direction: Direction) -> dict[int, Pair]:
    """By table number: what the origin claims, and what was done at ``end``."""
    statement = sql.SQL(_SUMS).format(here=sql.Identifier(end.room))
    rows = connection.execute(statement, [direction]).fetchall()
    return {row[0]: (Digest(*row[1:4]), Digest(*row[4:7])) for row in rows}


def all_equal(sums: Mapping[int, Pair]) -> bool:
    """Whether every claim is what was done."""
    return all(claimed == actual for claimed, actual in sums.values())


def compare(move: Move) -> tuple[TableDigest, ...]:
    """Both sides' digests of every table. Reads sums, no rows: sees what passed through the
    application and the streams. What was written around them is found by ``scrub`` alone.
    """
    with (
        connect(move.source, purpose="compare") as source,
        connect(move.target, purpose="compare") as target,
    ):
        forward = read_sums(target, move.target, Direction.FORWARD)
        reverse = read_sums(source, move.source, Direction.REVERSE)
    return digests(move, forward, reverse)


def digests(
    move: Move, forward: Mapping[int, Pair], reverse: Mapping[int, Pair]
) -> tuple[TableDigest, ...]:
    """The same of sums that were read already."""
    found = []
    for number, name in enumerate(sorted(move.tables), start=1):
        ours = forward[number][0] + reverse[number][1]
        theirs = forward[number][1] + reverse[number][0]
        equal = all_equal({0: forward[number], 1: reverse[number]})
        found.append(TableDigest(name, ours.count, ours.sums, theirs.count, theirs.sums, equal))
    return tuple(found)
