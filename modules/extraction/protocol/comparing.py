"""Whether both sides' servers read and hash the same rows alike, tried before anything is made.

They may be of different versions. Where they do not agree no digest would ever be equal, and the
first copy would be for nothing.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from modules.extraction.protocol.errors import Unmovable
from modules.extraction.protocol.sides import Connection, Move, row
from modules.extraction.protocol.tables import Table

TRIED = 100  # rows of each table: some milliseconds
LARGEST = 100_000  # bytes of a row's text: others are left out, as all are held at once
_ENCODING = "SHOW server_encoding"
_SOME = """
SELECT t::text, {h1}, {h2} FROM (SELECT * FROM {table} LIMIT {some}) AS t
WHERE octet_length(t::text) <= {largest}
"""
_AGAIN = """
SELECT one.image, {h1}, {h2} FROM (
    SELECT image, image::{table} AS row FROM unnest(%s::text[]) AS image OFFSET 0
) one
"""


def check_comparable(
    move: Move, source: Connection, target: Connection, tables: tuple[Table, ...]
) -> None:
    """Raises Unmovable, with all reasons, if the servers differ in what they make of a row.

    Some rows of the source are tried; what they do not show is found by the digests.
    """
    ours, theirs = (row(one, _ENCODING)[0] for one in (source, target))
    if ours != theirs:
        raise Unmovable([f"the databases have different encodings: {ours} and {theirs}"])
    versions = " and ".join(str(one.info.server_version // 10000) for one in (source, target))
    wrong = [
        f"{table.name}: the servers (PostgreSQL {versions}) {trouble}"
        for table in tables
        if (trouble := _trouble(move, source, target, table))
    ]
    if wrong:
        raise Unmovable(wrong)


def _trouble(move: Move, source: Connection, target: Connection, table: Table) -> str:
    known = _hashes(source, _filled(_SOME, table.within(move.source.schema), "t"), [])
    again = _filled(_AGAIN, table.within(move.target.schema), "(one.row)")
    try:
        found = _hashes(target, again, [list(known)])
    except psycopg.DataError as error:
        return f"do not read a row alike: {str(error).strip()}"
    return "" if found == known else "hash the same row differently: no digests would be equal"


def _hashes(
    connection: Connection, statement: sql.Composed, values: list[list[str]]
) -> dict[str, tuple[int, int]]:
    return {image: (h1, h2) for image, h1, h2 in connection.execute(statement, values)}


def _filled(text: str, table: Table, of: str) -> sql.Composed:
    h1, h2 = table.hashes(of)
    return sql.SQL(text).format(
        table=table.qualified,
        h1=h1,
        h2=h2,
        some=sql.Literal(TRIED),
        largest=sql.Literal(LARGEST),
    )
