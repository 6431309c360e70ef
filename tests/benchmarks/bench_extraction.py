"""What moving a module's data costs: pauses, rows per second, the triggers' price.

    python -m tests.benchmarks.bench_extraction [--trips 20] [--rows 200000] [--quick]

Real processes on one durable embedded PostgreSQL with two databases: writers at a paced rate, both
streams in a process of their own, the controller in this one. Pauses are what the writers see: from
the fence's commit to the first write accepted on the other side. Throughputs stand beside the same
work without the protocol, in turn, in the same run.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psycopg

from modules.extraction.protocol import (
    Backfill,
    Direction,
    Move,
    Stream,
    compare,
    cutover,
    heal,
    install,
    rollback,
    scrub,
    tune,
    uninstall,
)
from tests.benchmarks.diverging import divergence
from tests.benchmarks.figures import say, timed
from tests.benchmarks.stage import Stage, stage
from tests.extraction.protocol import writing
from tests.extraction.protocol.processes import running
from tests.extraction.protocol.shop import till

INSERT = "INSERT INTO till.note VALUES (gen_random_uuid()::text, '2026-01-01', '')"
ROWS = """
INSERT INTO till.account (name) SELECT 'a' || n FROM generate_series(1, 50) n;
INSERT INTO till.entry (account_id, amount, body)
SELECT 1 + n % 50, n, '{"some": "json of about this length, as a message has"}'
FROM generate_series(1, %s) n;
"""
TINY = "UPDATE till.account SET balance = balance + 1 WHERE id = 1 + %s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=20, help="there and back")
    parser.add_argument("--rows", type=int, default=200_000, help="to copy and to apply")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.trips, chosen.rows = 3, 40_000
    print(f"load of the machine at the start: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    with stage() as here:
        _measure(here, "copying, comparing, applying", lambda move: rates(move, chosen.rows))
        _measure(here, "one row differs", lambda move: divergence(move, 5 * chosen.rows))
        _measure(here, "triggers", triggers)
        _measure(here, "swaps under load", lambda move: swaps(move, here.home, chosen.trips))
        _measure(here, "a controller that dies", controllers)
    print(f"load of the machine at the end: {os.getloadavg()[0]:.1f}")


def _measure(here: Stage, title: str, work: Callable[[Move], None]) -> None:
    print(f"\n{title}")
    name = title.split()[0].strip(",")
    urls = (here.make_database(f"{name}_source"), here.make_database(f"{name}_target"))
    work(till(*urls))


def rates(move: Move, rows: int) -> None:
    """Rows per second of the copy, the scrub and the stream: one process each, so per core."""
    with psycopg.connect(move.source.url, autocommit=True) as source:
        for statement in ROWS.replace("%s", str(rows)).split(";\n"):
            source.execute(statement)
        source.execute("ANALYZE till.entry")
        install(move)
        tune(move, max_source_ms=5000)
        with Backfill(move) as backfill:
            spent = _spent(backfill.stream)
            with timed() as took:
                backfill.run()
            _rate("copied", rows, took(), _spent(backfill.stream) - spent)
        with timed() as took:
            assert scrub(move).count == 0
        say("scrubbed, rows/s", f"{rows / took():,.0f}")
        source.execute("ALTER TABLE till.entry DISABLE TRIGGER entry_append_only")
        source.execute("UPDATE till.entry SET amount = amount + 1")
        _applied(move, "updates", rows)
        source.execute("DELETE FROM till.entry WHERE id % 2 = 0")
        _applied(move, "deletes", rows // 2)
    times = []
    for _n in range(20):
        with timed() as took:
            assert all(digest.equal for digest in compare(move))
        times.append(took() * 1000)
    say("whole tables compared by their sums, two sessions made, ms", f"{median(times):.1f}")


def _applied(move: Move, what: str, rows: int) -> None:
    with Stream(move, Direction.FORWARD) as stream:
        spent = _spent(stream)
        done = 0
        with timed() as took:
            while (applied := stream.apply_once(limit=50_000)).rows or applied.lag_rows:
                done += applied.rows
        assert done == rows
        _rate(f"applied, {what}", rows, took(), _spent(stream) - spent)


def _spent(stream: Stream) -> float:
    """Seconds of CPU of both sessions' backends and of this process."""
    stream.standing()
    return _cpu(stream.origin) + _cpu(stream.end) + time.process_time()


def _rate(what: str, rows: int, seconds: float, cpu: float) -> None:
    figure = f"{rows / seconds:,.0f} / {rows / cpu:,.0f}"
    say(f"{what}: rows/s / rows a second of one core", figure)


def triggers(move: Move) -> None:
    """Tiny transactions with and without the triggers, in turn: flat out, and paced."""
    with psycopg.connect(move.source.url, autocommit=True, prepare_threshold=1) as source:
        source.execute(ROWS.split(";\n")[0])
        for what, durable in (("", "on"), (", commits not waiting for the disk", "off")):
            source.execute(f"SET synchronous_commit = {durable}")
            figures: dict[bool, list[tuple[float, ...]]] = {False: [], True: []}
            for turn in range(6):
                with_triggers = bool(turn % 2)
                if with_triggers:
                    install(move)
                figures[with_triggers].append(
                    (_flat_out(source), _paced(source), _cpu_each(source))
                )
                if with_triggers:
                    uninstall(move)
            bare, guarded = (
                [median(column) for column in zip(*figures[one], strict=True)]
                for one in (False, True)
            )
            say(f"throughput with / without{what}", f"{guarded[0] / bare[0]:.2f}x")
            say("  ms a transaction more at 1,000/s", f"{guarded[1] - bare[1]:+.3f}")
            say("  us of the server's CPU, without / with", f"{bare[2]:.0f} / {guarded[2]:.0f}")


def _cpu(session: psycopg.Connection) -> float:
    """Seconds of CPU that the session's backend has used."""
    path = Path(f"/proc/{session.info.backend_pid}/schedstat")
    return int(path.read_text().split()[0]) / 1e9


def _cpu_each(session: psycopg.Connection, count: int = 2000) -> float:
    """Microseconds of the backend's CPU for one tiny transaction."""
    before = _cpu(session)
    for n in range(count):
        session.execute(TINY, [n % 50])
    return (_cpu(session) - before) / count * 1e6


def _flat_out(session: psycopg.Connection, seconds: float = 0.7) -> float:
    until, n = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        session.execute(TINY, [n % 50])
        n += 1
    return n / seconds


def _paced(session: psycopg.Connection, count: int = 400) -> float:
    took = []
    due = time.perf_counter()
    for n in range(count):
        due += 0.001
        time.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        session.execute(TINY, [n % 50])
        took.append(time.perf_counter() - began)
    return median(took) * 1000


def swaps(move: Move, home: Path, trips: int) -> None:
    """There and back under paced writers; every write is in a ledger outside the databases."""
    with psycopg.connect(move.source.url, autocommit=True) as source:
        source.execute(ROWS.split(";\n")[0])
        install(move)
        with Backfill(move) as backfill:
            backfill.run()
        assert scrub(move).count == 0
        ledger = Path(tempfile.mkdtemp(dir=home)) / "ledger"
        fences: list[tuple[int, float]] = []
        own: list[float] = []
        waits: list[float] = []
        commits: list[float] = []
        began = time.time()
        with running(move, "follow") as streams, running(move, "write", str(ledger)) as writers:
            assert streams.stdout is not None
            streams.stdout.readline()
            time.sleep(1)
            source.execute("CREATE TABLE public.plain (n int)")
            for trip in range(2 * trips):
                _swap(move, trip, fences, own, waits)
                with timed() as took:
                    source.execute("INSERT INTO public.plain VALUES (1)")
                commits.append(took() * 1000)
                time.sleep(0.25)
            Path(f"{ledger}.stop").touch()
            writers.wait(timeout=60)
        _report(move, source, ledger, fences, own, waits, commits, time.time() - began)


def _swap(
    move: Move, trip: int, fences: list[tuple[int, float]], own: list[float], waits: list[float]
) -> None:
    at = [0.0]

    def watch(step: str) -> None:
        if step == "fenced":
            at[0] = time.time()

    back = trip % 2
    receipt = rollback(move, watch=watch) if back else cutover(move, checked=False, watch=watch)
    fences.append((1 - back, at[0]))
    own.append(receipt.pause_ms)
    waits.append(receipt.fence_ms)


def _report(
    move: Move,
    source: psycopg.Connection,
    ledger: Path,
    fences: list[tuple[int, float]],
    own: list[float],
    waits: list[float],
    commits: list[float],
    seconds: float,
) -> None:
    for direction in Direction:
        with Stream(move, direction) as stream:
            while stream.apply_once().rows:
                pass
    accepted = writing.read(ledger)
    tickets = {ticket for ticket, _side, _when in accepted}
    found = [row[0] for row in source.execute("SELECT body->>'ticket' FROM till.entry").fetchall()]
    say("transactions accepted, of 4 row-writes", f"{len(accepted):,}")
    say("  row-writes a second, pauses included", f"{4 * len(accepted) / seconds:,.0f}")
    say(
        "lost / doubled / stray",
        f"{len(tickets - set(found))} / "
        f"{len(found) - len(set(found))} / {len(set(found) - tickets)}",
    )
    equal = all(digest.equal for digest in compare(move)) and not scrub(move).count
    say("digests and all rows", "equal" if equal else "DIFFERENT")
    order = sorted((when, side) for _ticket, side, when in accepted)
    seen = [
        (next(when for when, side in order if side == to and when > fenced) - fenced) * 1000
        for to, fenced in fences
    ]
    for what, figures in (
        ("pause, fence to first accepted write, ms p50 / p99 / max", seen),
        ("  of it until the new side may write", own),
        ("fence waiting for writers, who queue behind it", waits),
        ("for comparison: one plain commit between the swaps", commits),
    ):
        ranked = sorted(figures)
        p50, p99 = ranked[len(ranked) // 2], ranked[int(len(ranked) * 0.99)]
        say(what, f"{p50:.1f} / {p99:.1f} / {ranked[-1]:.1f}")
    say("pause in plain commits, p50", f"{median(own) / median(commits):.1f}")


def controllers(move: Move) -> None:
    """How long writers are refused when the controller is killed, and when it is stopped."""
    with (
        psycopg.connect(move.source.url, autocommit=True) as source,
        psycopg.connect(move.target.url, autocommit=True) as target,
    ):
        source.execute(ROWS.split(";\n")[0])
        install(move)
        with Backfill(move) as backfill:
            backfill.run()
        figures: dict[str, list[float]] = {}
        with running(move, "follow") as streams:
            assert streams.stdout is not None
            streams.stdout.readline()
            for _n in range(3):
                for how in ("killed", "stopped"):
                    pause = _left(move, "cutover", how, source)
                    figures.setdefault(f"cutover, {how}", []).append(pause)
            for how in ("killed", "stopped"):
                heal(move)
                cutover(move, checked=False)
                pause = _left(move, "rollback", how, target)
                figures.setdefault(f"rollback, {how} (a watch heals)", []).append(pause)
                rollback(move)
        for what, pauses in figures.items():
            say(f"{what}: writes refused for, ms, worst", f"{max(pauses):.0f}")


def _left(move: Move, verb: str, how: str, session: psycopg.Connection) -> float:
    """Milliseconds from the death or stop of a controller to the next accepted write."""
    crash = f"{verb}.drained:1:stop"
    with running(move, verb, FICUS_MOVE_CRASH_AT=crash) as control:
        os.waitpid(control.pid, os.WUNTRACED)  # it has stopped, with the fence standing
        began = time.perf_counter()
        if how == "killed":
            os.kill(control.pid, signal.SIGKILL)
        while True:
            try:
                session.execute(INSERT)
                break
            except psycopg.DatabaseError:
                time.sleep(0.002)
        return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
