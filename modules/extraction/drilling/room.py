"""Whether there is room for a drill: permissions, and space on the server's disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg

from modules.extraction.drilling.scratch import lacking
from modules.extraction.errors import WrongPhase
from modules.extraction.phases import Phase
from modules.extraction.planning.data import data_of
from modules.extraction.standings import possible, standing_of
from modules.extraction.targets import source_url
from modules.platform.console import CommandFailed

TIMES = 4  # both copies, what the log keeps of them, and the journal of the server
LEAST = 256 * 1024 * 1024  # bytes; two empty databases with their journal


def check(module: str) -> None:
    """Raises CommandFailed with what is missing, WrongPhase where there is nothing to copy."""
    phase = standing_of(module).phase
    if phase is Phase.RETIRED:
        raise WrongPhase(module=module, phase=phase, verb="drill", possible=possible(phase))
    server = source_url(module)
    if missing := lacking(server):
        raise CommandFailed(f"a drill needs databases of its own: {missing}")
    free = free_bytes(server)
    wanted = LEAST + TIMES * size(module)[1]
    if free is not None and free < wanted:
        raise CommandFailed(
            f"a drill of {module} needs {_gigabytes(wanted)} on the server's disk for a while; "
            f"{_gigabytes(free)} are free"
        )


def size(module: str) -> tuple[int, int]:
    """Rows, by PostgreSQL's estimate, and bytes."""
    with psycopg.connect(source_url(module), autocommit=True) as connection:
        tables = data_of(connection, module).tables
    return sum(one.rows for one in tables), sum(one.size for one in tables)


def free_bytes(server: str) -> int | None:
    """On the disk of the server's data; None where that is another machine's, or nobody's."""
    try:
        with psycopg.connect(server, autocommit=True) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
            is_local = connection.info.host.startswith("/")
    except psycopg.Error:
        return None
    folder = Path(row[0]) if row and row[0] else None
    if folder is None or not is_local:
        return None
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
