"""``import_catalog`` beside its ceiling: the same rows by one bare COPY in the same run."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.benchmarks import ficus, goods
from tests.benchmarks.stage import Stage

_TABLE = """
CREATE TABLE IF NOT EXISTS ceiling (sku text PRIMARY KEY, name text, description text,
    category text, brand text, price numeric, currency text, stock bigint);
TRUNCATE ceiling;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Rows a second: of the first import, of the same again (nothing changes), of the ceiling."""

    rows: int
    fresh: float
    again: float
    ceiling: float


def measure(stage: Stage, rows: int, rounds: int) -> Imports:
    """Each import is of goods the shop has not seen; the whole command's time, start included."""
    env = ficus.environment(stage)
    ficus.manage(env, "migrate", "--verbosity", "0")
    ficus.manage(env, "bootstrap")
    fresh, again, ceiling = [], [], []
    for number in range(rounds):
        table = goods.write(stage.home / f"import{number}.csv", rows, prefix=f"IMP{number}")
        ceiling.append(rows / copy(stage.database_url, table))
        fresh.append(rows / imported(env, table))
        again.append(rows / imported(env, table))
        sys.stderr.write(f"import round {number + 1}: {fresh[-1]:,.0f} rows/s\n")
    return Imports(
        rows=rows,
        fresh=statistics.median(fresh),
        again=statistics.median(again),
        ceiling=statistics.median(ceiling),
    )


def imported(env: Mapping[str, str], table: Path) -> float:
    """Seconds of ``manage.py import_catalog``."""
    began = time.perf_counter()
    ficus.manage(env, "import_catalog", str(table))
    return time.perf_counter() - began


def copy(database_url: str, table: Path) -> float:
    """Seconds of a bare COPY of the same file into one table with a primary key."""
    with psycopg.connect(database_url) as database:
        database.execute(_TABLE)
        began = time.perf_counter()
        with (
            table.open("rb") as stream,
            database.cursor().copy("COPY ceiling FROM STDIN (FORMAT csv, HEADER)") as copying,
        ):
            while data := stream.read(65_536):
                copying.write(data)
        database.commit()
        return time.perf_counter() - began
