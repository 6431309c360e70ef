"""Reads an archive back: every byte against its checksum, every row against the sums it had."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import msgspec
from psycopg import sql

from modules.extraction.protocol.copying import Range, digest
from modules.extraction.protocol.sides import Connection, Side
from modules.extraction.protocol.tables import read_tables
from modules.extraction.retiring.archiving import CHUNK
from modules.extraction.retiring.manifest import MANIFEST, Manifest, Part, TablePart, decode

_LIKE = "CREATE TEMPORARY TABLE {name} (LIKE {table} INCLUDING GENERATED INCLUDING IDENTITY)"


class Unreadable(Exception):
    """The archive is not what it says; the message is one line."""


def manifest_of(archive: Path) -> Manifest:
    """What it says of itself. Raises Unreadable."""
    with opened(archive) as tar:
        return _manifest(tar, archive)


def verify(archive: Path) -> Manifest:
    """Read every file in it, and compare checksums, sizes and the number of rows.

    Raises Unreadable with the first thing that does not hold.
    """
    with opened(archive) as tar:
        found = _manifest(tar, archive)
        counted = {one.part.name: one for one in found.tables}
        for part in found.parts:
            _check_part(tar, part, archive)
            if part.name in counted:
                _check_rows(tar, counted[part.name], archive)
    return found


def verify_rows(archive: Path, connection: Connection, side: Side) -> None:
    """Load each table from the archive into a temporary one and compare its rows' sums with those
    that it had when it was read. ``connection`` is a session in ``side``'s database.

    Raises Unreadable.
    """
    with opened(archive) as tar:
        found = _manifest(tar, archive)
        summed = {one.table: one for one in found.tables if one.sums}
        for table in read_tables(connection, side, tuple(summed)):
            said = summed[table.name]
            # Its own name would shadow the table that it is made like.
            name = f"ficus_read_{table.number}"
            with connection.transaction(force_rollback=True):
                connection.execute(
                    sql.SQL(_LIKE).format(name=sql.Identifier(name), table=table.qualified)
                )
                load(connection, tar, said, sql.Identifier("pg_temp", name))
                there = replace(table, schema="pg_temp", name=name)
                rows, *sums = digest(connection, there, Range(None, None))
            if (rows, *(str(one) for one in sums)) != (said.rows, *said.sums):
                raise Unreadable(f"{archive.name}: {said.table} read back is not what it was")


def load(
    connection: Connection, tar: tarfile.TarFile, said: TablePart, into: sql.Identifier
) -> None:
    """The rows of one table, into a table like it."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT text, ENCODING 'UTF8')").format(
        into,
        sql.SQL(said.columns),  # quoted by PostgreSQL
    )
    with (
        _file(tar, said.part.name) as packed,
        gzip.GzipFile(fileobj=packed) as rows,
        connection.cursor().copy(statement) as writing,
    ):
        while data := rows.read(CHUNK):
            writing.write(data)


def text_of(tar: tarfile.TarFile, part: Part) -> str:
    """One of the files of statements."""
    with _file(tar, part.name) as file:
        return file.read().decode()


@contextmanager
def opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """Raises Unreadable for what is no archive, also when that is found out later."""
    try:
        with tarfile.open(archive, "r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, OSError, KeyError) as error:
        raise Unreadable(f"{archive.name} cannot be read: {error}") from error


def _manifest(tar: tarfile.TarFile, archive: Path) -> Manifest:
    try:
        with _file(tar, MANIFEST) as file:
            return decode(file.read())
    except (ValueError, msgspec.MsgspecError) as error:
        raise Unreadable(f"{archive.name}: its manifest cannot be read: {error}") from error


def _check_part(tar: tarfile.TarFile, part: Part, archive: Path) -> None:
    digest_, size = hashlib.sha256(), 0
    with _file(tar, part.name) as file:
        while data := file.read(CHUNK):
            digest_.update(data)
            size += len(data)
    if (size, digest_.hexdigest()) != (part.size, part.sha256):
        raise Unreadable(f"{archive.name}: {part.name} is not what was written")


def _check_rows(tar: tarfile.TarFile, said: TablePart, archive: Path) -> None:
    rows = 0
    with _file(tar, said.part.name) as packed, gzip.GzipFile(fileobj=packed) as lines:
        while data := lines.read(CHUNK):
            rows += data.count(b"\n")
    if rows != said.rows:
        raise Unreadable(f"{archive.name}: {said.table} has {rows} rows, {said.rows} were written")


def _file(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    found = tar.extractfile(name)
    if found is None:
        raise KeyError(f"{name} is not in it")
    return found
