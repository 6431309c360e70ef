"""Writes the archive of a module's schema: read in one snapshot, on the disk before it has a name.

PostgreSQL alone, no Django. The file is written under a temporary name, forced to the disk, read
back (``verifying``), and only then renamed. Whatever happens before leaves a name that ends in
``.partial``, which the next archive of the module removes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg import sql

from modules.extraction.blueprints import Blueprint, Filled, read
from modules.extraction.protocol.copying import Range, digest
from modules.extraction.protocol.sides import Connection, Direction, Move, connect
from modules.extraction.protocol.tables import read_tables
from modules.extraction.retiring import crashing
from modules.extraction.retiring.manifest import (
    AFTER,
    BEFORE,
    MANIFEST,
    Manifest,
    Part,
    TablePart,
    archive_name,
    digest_file,
    encode,
    file_of,
)

PARTIAL = ".partial"
CHUNK = 1 << 20  # bytes
_POSITION = "SELECT position FROM {}.stream WHERE name = %s"
Told = Callable[[str, int, int], None]  # table, tables done, of how many


def archive(
    move: Move,
    folder: Path,
    *,
    epoch: int,
    told: Told,
    check: Callable[[Path], object],
) -> Path:
    """Write the monolith's copy of the module to ``folder``; where it is.

    ``check`` looks at the finished file before it gets its name; what it raises leaves nothing
    under that name. Raises Unwritable, OSError (a full disk), and psycopg's errors.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    sweep(folder, move.module)
    at = datetime.now(UTC)
    final = folder / archive_name(move.module, epoch, at)
    draft = final.with_name(final.name + PARTIAL)
    try:
        _write(move, draft, epoch, at, told)
        crashing.point("archive.written")
        check(draft)
        whole = sha256_of(draft)
        _put(digest_file(final), f"{whole}  {final.name}\n".encode())
        draft.replace(final)
        _sync_folder(folder)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    crashing.point("archive.named")
    return final


def sweep(folder: Path, module: str) -> int:
    """Remove what a writer that was killed has left; how many files."""
    left = list(folder.glob(f"{module}-*{PARTIAL}*"))
    for one in left:
        one.unlink(missing_ok=True)
    return len(left)


def sha256_of(file: Path) -> str:
    """Of the whole file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _write(move: Move, draft: Path, epoch: int, at: datetime, told: Told) -> None:
    with (
        connect(move.source, purpose="archive") as source,
        _snapshot(source),
        draft.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        os.fchmod(file.fileno(), 0o600)
        plan = read(source, move.source.schema)
        before = _add_text(tar, BEFORE, plan.before)
        tables = tuple(_tables(move, source, plan, tar, draft.parent, told))
        after = _add_text(tar, AFTER, plan.after)
        manifest = Manifest(
            module=move.module,
            schema=move.source.schema,
            epoch=epoch,
            taken_at=at,
            position=_position(source, move),
            server_version=source.info.server_version,
            before=before,
            after=after,
            tables=tables,
        )
        _add(tar, MANIFEST, io.BytesIO(encode(manifest)))
        tar.close()
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _snapshot(source: Connection) -> Iterator[None]:
    with source.transaction():
        source.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _tables(
    move: Move,
    source: Connection,
    plan: Blueprint,
    tar: tarfile.TarFile,
    folder: Path,
    told: Told,
) -> Iterator[TablePart]:
    known = {one.name: one for one in read_tables(source, move.source, move.tables)}
    for n, one in enumerate(plan.tables):
        told(one.name, n, len(plan.tables))
        table = known.get(one.name)
        sums = digest(source, table, Range(None, None)) if table else ()
        with tempfile.TemporaryFile(dir=folder) as spool:
            rows = _copy_out(source, plan.schema, one, spool)
            part = _add(tar, file_of(one.name), spool)
        yield TablePart(
            table=one.name,
            columns=one.columns,
            rows=rows,
            sums=tuple(str(value) for value in sums[1:]),
            part=part,
        )


def _copy_out(source: Connection, schema: str, one: Filled, spool: IO[bytes]) -> int:
    """The rows, compressed; how many. In text each row is one line, whatever is in it."""
    out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT text, ENCODING 'UTF8')").format(
        sql.SQL(one.columns),  # quoted by PostgreSQL
        sql.Identifier(schema, one.name),
    )
    rows = 0
    # mtime 0: the same rows make the same bytes
    with (
        gzip.GzipFile(fileobj=spool, mode="wb", compresslevel=6, mtime=0) as packed,
        source.cursor().copy(out) as reading,
    ):
        for data in reading:
            packed.write(data)
            rows += bytes(data).count(b"\n")
    spool.seek(0)
    return rows


def _position(source: psycopg.Connection[Any], move: Move) -> str:
    query = sql.SQL(_POSITION).format(sql.Identifier(move.source.room))
    row = source.execute(query, [Direction.REVERSE]).fetchone()
    return str(row[0]) if row else ""


def _add_text(tar: tarfile.TarFile, name: str, statements: tuple[str, ...]) -> Part:
    text = "".join(f"{one.rstrip().rstrip(';')};\n" for one in statements)
    return _add(tar, name, io.BytesIO(text.encode()))


def _add(tar: tarfile.TarFile, name: str, file: IO[bytes]) -> Part:
    found = hashlib.sha256()
    while data := file.read(CHUNK):
        found.update(data)
    info = tarfile.TarInfo(name)
    info.size, info.mode = file.tell(), 0o600
    file.seek(0)
    tar.addfile(info, file)
    return Part(name=name, size=info.size, sha256=found.hexdigest())


def _put(file: Path, data: bytes) -> None:
    with file.open("wb") as opened:
        os.fchmod(opened.fileno(), 0o600)
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())


def _sync_folder(folder: Path) -> None:
    """A name is on the disk when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
