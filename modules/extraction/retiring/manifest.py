"""What an archive says of itself: every table with rows, sums and checksum. Pure.

An archive is a tar file: ``manifest.json``, ``before.sql``, ``after.sql`` and for each table
``tables/<name>.copy.gz``, the rows as ``COPY ... TO STDOUT`` gives them (text, UTF-8).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

FORMAT = 1  # a reader refuses a higher one
MANIFEST, BEFORE, AFTER = "manifest.json", "before.sql", "after.sql"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One file. ``size`` in bytes and ``sha256`` are of the file as it lies in the archive."""

    name: str
    size: int
    sha256: str


class TablePart(msgspec.Struct, frozen=True, kw_only=True):
    """One table. ``sums`` are the two sums of its rows' hashes (``protocol.tables``), as texts;
    empty for a table that the extraction did not carry.
    """

    table: str
    columns: str  # as SQL
    rows: int
    sums: tuple[str, ...]
    part: Part


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` is that of the reverse stream: everything up to it is in here."""

    format: int = FORMAT
    module: str
    schema: str
    epoch: int
    taken_at: datetime
    position: str
    server_version: int
    before: Part
    after: Part
    tables: tuple[TablePart, ...]

    @property
    def rows(self) -> int:
        return sum(one.rows for one in self.tables)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All files but the manifest."""
        return (self.before, *(one.part for one in self.tables), self.after)


def encode(manifest: Manifest) -> bytes:
    """For people, too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(data: bytes) -> Manifest:
    """Raises msgspec.ValidationError, and ValueError for a format that is not known."""
    found = msgspec.json.decode(data, type=Manifest)
    if found.format > FORMAT:
        raise ValueError(f"the archive is of format {found.format}; known is {FORMAT}")
    return found


def file_of(table: str) -> str:
    """Where a table's rows are in the archive."""
    return f"tables/{table}.copy.gz"


def archive_name(module: str, epoch: int, at: datetime) -> str:
    """``payment-3-20261120T153012Z.tar``: sorts by time within an epoch."""
    return f"{module}-{epoch}-{at:%Y%m%dT%H%M%SZ}.tar"


def digest_file(archive: Path) -> Path:
    """Beside the archive, as ``sha256sum`` writes it."""
    return archive.with_name(f"{archive.name}.sha256")
