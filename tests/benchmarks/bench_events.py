"""Events per second and latency of the bus, beside the ceiling: PostgreSQL alone, in the same run.

    python -m tests.benchmarks.bench_events [--events 40000] [--seconds 10]

Real processes: a relay, a Celery worker with 2 processes, embedded PostgreSQL and Redis. The
ceiling is a log table and a cursor, read in batches of 200 by two processes that write the same
rows with hand-written SQL: no bus, no Celery, no Django.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from modules.platform.databases import embedded

HOST = "tests.platform.messaging.host"
RELAY = [sys.executable, "-m", HOST, "relay"]
WORKER = [
    *(sys.executable, "-m", "celery", "-A", HOST, "worker", "-Q", "bus.orders,bus.ack.inventory"),
    *("-c", "2", "-l", "error", "--without-gossip", "--without-mingle", "--without-heartbeat"),
]

CEILING = """
DROP SCHEMA IF EXISTS ceiling CASCADE;
CREATE SCHEMA ceiling;
CREATE TABLE ceiling.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, part smallint,
                          key text, payload json, at timestamptz DEFAULT clock_timestamp());
CREATE INDEX ON ceiling.log (part, id);
CREATE TABLE ceiling.cursor (part smallint PRIMARY KEY, pos bigint);
CREATE TABLE ceiling.effect (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz
                             DEFAULT clock_timestamp(), actor text, verb text, target text,
                             reason text, changed integer);
INSERT INTO ceiling.cursor SELECT p, 0 FROM generate_series(0, 7) p;
"""
FILL = """
INSERT INTO ceiling.log (part, key, payload)
SELECT mod(n, 8), 'key-' || mod(n, 64),
       '{"order_id":"00000000-0000-0000-0000-000000000001","amount":1}'
FROM generate_series(1, %s) n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the latency run")
    chosen = parser.parse_args()
    with servers() as (database, environment):
        ceiling = measure_ceiling(database, chosen.events)
        print(f"ceiling: PostgreSQL log and cursor, 2 processes   {ceiling:10,.0f} events/s")
        for handler, label in (("sql", "SQL handler"), ("orm", "Django ORM handler")):
            rate = measure_rate(database, environment | {"HOST_HANDLER": handler}, chosen.events)
            share = 100 * rate / ceiling
            print(f"bus, end to end, {label:20}             {rate:10,.0f} events/s  {share:3.0f} %")
        for rate, p50, p99, top in measure_latency(database, environment, chosen.seconds):
            print(
                f"bus, published to handled at {rate:4.0f}/s       "
                f"p50 {p50:6.1f} ms   p99 {p99:6.1f} ms   max {top:6.1f} ms"
            )


@contextmanager
def servers() -> Iterator[tuple[str, dict[str, str]]]:
    """A PostgreSQL and a Redis of our own, as durable as in production."""
    home = Path(tempfile.mkdtemp(prefix="ficus-bench-"))
    home.chmod(0o755)
    try:
        database = embedded.ensure_postgres(home).url
        redis = embedded.ensure_redis(home).url
        yield database, os.environ | {"DATABASE_URL": database, "REDIS_URL": redis}
    finally:
        embedded.stop_redis(home)
        embedded.stop_postgres(home)
        subprocess.run(["rm", "-rf", str(home)], check=False)


@contextmanager
def bus(environment: dict[str, str]) -> Iterator[None]:
    """A relay and a worker, stopped at the end."""
    quiet = subprocess.DEVNULL
    running = [
        subprocess.Popen(WORKER, env=environment, stdout=quiet, stderr=quiet),
        subprocess.Popen(RELAY, env=environment, stdout=quiet, stderr=quiet),
    ]
    try:
        yield
    finally:
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            process.wait()


def host(environment: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", HOST, *arguments], env=environment, check=True)


def measure_ceiling(database: str, events: int) -> float:
    """Two processes, four partitions each; the time until the last row is committed."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(CEILING)
        connection.execute(FILL, [events])
        connection.execute("VACUUM ANALYZE ceiling.log")
    reader = [sys.executable, "-c", "from tests.benchmarks.bench_events import read; read()"]
    started = [subprocess.Popen([*reader, database, parts]) for parts in ("0,2,4,6", "1,3,5,7")]
    for process in started:
        process.wait()
    with psycopg.connect(database) as connection:
        return rate_of(connection, "ceiling.effect", events)


def read() -> None:
    """One process of the ceiling: batches of its partitions until they are empty."""
    database, parts = sys.argv[1], [int(part) for part in sys.argv[2].split(",")]
    with psycopg.connect(database) as connection:
        while sum(read_batch(connection, part) for part in parts):
            pass


def read_batch(connection: psycopg.Connection[Any], part: int) -> int:
    """One batch of 200: position, rows, effects, position, commit."""
    (pos,) = connection.execute(
        "SELECT pos FROM ceiling.cursor WHERE part = %s FOR UPDATE", [part]
    ).fetchone() or (0,)
    found = connection.execute(
        "SELECT id, key, payload FROM ceiling.log "
        "WHERE part = %s AND id > %s ORDER BY id LIMIT 200",
        [part, pos],
    ).fetchall()
    with connection.pipeline(), connection.cursor() as cursor:
        for number, key, payload in found:
            cursor.execute(
                "INSERT INTO ceiling.effect (actor, verb, target, reason, changed) "
                "VALUES (%s, 'heard', %s, '', %s)",
                [key, str(number), payload["amount"]],
            )
    if found:
        connection.execute(
            "UPDATE ceiling.cursor SET pos = %s WHERE part = %s", [found[-1][0], part]
        )
    connection.commit()
    return len(found)


def measure_rate(database: str, environment: dict[str, str], events: int) -> float:
    """From the first handled to the last, of a backlog."""
    host(environment, "migrate")
    with psycopg.connect(database, autocommit=True) as connection:
        forget(connection)
        host(environment, "publish", str(events), "50")
        connection.execute("VACUUM ANALYZE inventory.bus_outbox")
        with bus(environment):
            wait_for(connection, events, limit=120)
        return rate_of(connection, "orders.bus_audit", events)


def measure_latency(
    database: str, environment: dict[str, str], seconds: float
) -> Iterator[tuple[float, float, float, float]]:
    """Publications one by one at a steady rate; from the row's clock to the handler's."""
    with psycopg.connect(database, autocommit=True) as connection, bus(environment):
        host(environment, "publish", "20", "1", "20")  # until all processes are up
        wait_for(connection, 1, limit=60)
        for rate in (200, 1000):
            time.sleep(2)
            forget(connection, positions=False)
            count = int(rate * seconds)
            host(environment, "publish", str(count), "1", str(rate))
            wait_for(connection, count, limit=60)
            found = connection.execute(
                "SELECT percentile_cont(ARRAY[0.5, 0.99, 1]) WITHIN GROUP "
                "(ORDER BY 1000 * extract(epoch FROM a.at - o.created_at)::float) "
                "FROM orders.bus_audit a JOIN inventory.bus_outbox o ON o.event_id = a.target::uuid"
            ).fetchone()
            assert found is not None
            yield (rate, *found[0])


def forget(connection: psycopg.Connection[Any], *, positions: bool = True) -> None:
    """Empty what was handled (and the log with its positions)."""
    connection.execute("TRUNCATE orders.bus_audit")
    if positions:
        connection.execute(
            "TRUNCATE inventory.bus_outbox, inventory.bus_subscription, orders.bus_cursor"
        )


def wait_for(connection: psycopg.Connection[Any], events: int, *, limit: float) -> None:
    """Until so many are handled. Raises TimeoutError."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        time.sleep(0.2)
        found = connection.execute("SELECT count(*) FROM orders.bus_audit").fetchone()
        if found and found[0] >= events:
            return
    raise TimeoutError(f"{found} of {events} after {limit} s")


def rate_of(connection: psycopg.Connection[Any], table: str, events: int) -> float:
    found = connection.execute(
        f"SELECT count(*), extract(epoch FROM max(at) - min(at)) FROM {table}"  # noqa: S608
    ).fetchone()
    assert found is not None
    assert found[0] == events, f"{found[0]} of {events}"
    return events / float(found[1])


if __name__ == "__main__":
    main()
