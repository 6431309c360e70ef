"""``drill``: the whole of it on a copy. The live module is read, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict

from modules.extraction import structure
from modules.extraction.auditing import Outcome, recorded
from modules.extraction.blueprints import Unwritable
from modules.extraction.drilling import room, tickets
from modules.extraction.drilling.faults import FAULTS, Fault, How
from modules.extraction.drilling.filling import fill
from modules.extraction.drilling.processes import Actor, ActorGone, Nursery
from modules.extraction.drilling.reports import Drilled, Pauses, Tried, WouldDrill, pauses
from modules.extraction.drilling.rounds import Rounds
from modules.extraction.drilling.scratch import scratch
from modules.extraction.moves import source_of
from modules.extraction.protocol import Backfill, Move, Side, install, movable_tables, scrub
from modules.extraction.steps import Ask
from modules.extraction.targets import Target
from modules.platform.console import CommandFailed

ROUNDS, WRITES = 10, 200.0
NO_PAUSES = Pauses(count=0, p50=0.0, p99=0.0, max=0.0)


def drill(
    ask: Ask,
    *,
    rounds: int = ROUNDS,
    writes: float = WRITES,
    faults: Sequence[Fault] = FAULTS,
) -> Drilled | WouldDrill:
    """Copy the module into two databases made for it, swap there and back ``rounds`` times, then
    once for each of ``faults``; ``writes`` transactions a second all the while.

    Takes no lock of the module's controller, so a real rollback need not wait for it; on record
    when it has ended. Raises CommandFailed when there is no room or no permission for it,
    NoSuchModule, NotExtractable, WrongPhase, and psycopg's errors.
    """
    ask.check()
    room.check(ask.module)
    if ask.dry_run:
        return _would(ask.module, rounds, len(faults))
    try:
        found = _drilled(ask, rounds, writes, faults)
    except (Unwritable, ActorGone) as error:
        raise CommandFailed(str(error)) from error
    except psycopg.errors.DiskFull as error:
        raise CommandFailed(f"the disk is full; the copy is removed again: {error}") from error
    _record(ask, found)
    return found


def _would(module: str, rounds: int, faults: int) -> WouldDrill:
    rows, size = room.size(module)
    parts = conninfo_to_dict(source_of(module).url)
    host = str(parts.get("host") or "localhost")
    return WouldDrill(
        module=module,
        place="unix socket" if host.startswith("/") else host,
        rows=rows,
        megabytes=round(size / 1e6, 1),
        rounds=rounds,
        faults=faults,
    )


def _drilled(ask: Ask, rounds: int, writes: float, faults: Sequence[Fault]) -> Drilled:
    began = time.monotonic()
    live = source_of(ask.module)
    with scratch(live.url, ask.module) as urls:
        move, churned = _prepared(ask, live, *urls)
        rows = _copied(move)
        ask.progress("the copy is ready", 0, 2 * rounds + len(faults))
        with _at_work(move, writes, churned) as work:
            tried = _rounds(ask, work, rounds, faults)
        if scrub(move).count:
            work.wrong.append("a look at every row found differences")
    return _report(ask.module, rounds, rows, churned, work, tried, time.monotonic() - began)


def _prepared(
    ask: Ask, live: Side, source: str, target: str
) -> tuple[Move, tuple[tickets.Churn, ...]]:
    """Both sides as ``create`` leaves them; what the writers may do with the module's rows."""
    here = Side(name="monolith", url=source, schema=live.schema)
    there = Side(name="service", url=target, schema=live.schema)
    ask.progress("copying", 0, 0)
    fill(live.url, source, live.schema, lambda table, size: None)
    ask.progress("migrating", 0, 0)
    structure.migrate(ask.module, Target(url=target, admin_url=target, is_ours=False))
    structure.emptied(there)
    structure.level(here, there)
    with psycopg.connect(source, autocommit=True) as one:
        churned = tickets.churns(one, here, movable_tables(here, one))
        tickets.make(one, here)
        tables = movable_tables(here, one)
    with psycopg.connect(target, autocommit=True) as other:
        tickets.make(other, there)
    return Move(ask.module, here, there, tables), churned


def _copied(move: Move) -> int:
    install(move)
    with Backfill(move) as backfill:
        rows = backfill.run().done_rows
    if scrub(move).count:
        raise CommandFailed("the first copy of the drill is not what it was made of")
    return rows


@contextmanager
def _at_work(move: Move, writes: float, churned: Sequence[tickets.Churn]) -> Iterator[Rounds]:
    schema = move.source.schema
    texts = [tickets.statement(schema, [one]) for one in churned]
    with (
        Nursery(move) as nursery,
        Actor(
            "write", move, rate=writes, plain=tickets.statement(schema, ()), churned=texts
        ) as writers,
        Actor("watch", move) as watcher,
    ):
        work = Rounds(move, nursery, writers, watcher)
        with work.following():
            yield work


def _rounds(ask: Ask, work: Rounds, rounds: int, faults: Sequence[Fault]) -> list[Tried]:
    total, deadline = 2 * rounds + len(faults), ask.deadline()
    for n in range(rounds):
        ask.in_time(deadline, "drill", f"{n} of {rounds} rounds")
        work.clean()
        ask.progress("swaps", 2 * n + 2, total)
    if wrong := work.settle():
        work.wrong.append(f"after the clean rounds: {wrong}")
    work.go()
    tried = []
    for n, fault in enumerate(faults, start=1):
        ask.in_time(deadline, "drill", f"{n - 1} of {len(faults)} faults")
        tried.append(work.tried(fault))
        ask.progress(fault.name, 2 * rounds + n, total)
    if wrong := work.settle():
        work.wrong.append(f"in the end: {wrong}")
    return tried


def _report(
    module: str,
    rounds: int,
    rows: int,
    churned: Sequence[tickets.Churn],
    work: Rounds,
    tried: Sequence[Tried],
    seconds: float,
) -> Drilled:
    ledger = work.ledger.tickets
    span = max((one.when for one in ledger), default=0) - min(
        (one.when for one in ledger), default=0
    )
    return Drilled(
        module=module,
        rounds=rounds,
        swaps=len(work.swaps),
        rows=rows,
        writes=len(ledger),
        writes_per_second=round(len(ledger) / span, 1) if span else 0.0,
        churned=tuple(sorted({one.table for one in churned})),
        seconds=round(seconds, 1),
        clean=pauses(_seen(work)) or NO_PAUSES,
        own=pauses([one.pause_ms for one in work.swaps]) or NO_PAUSES,
        killed=_after(tried, is_stop=False),
        stopped=_after(tried, is_stop=True),
        faults=tuple(tried),
        wrong=tuple(work.wrong),
    )


def _seen(work: Rounds) -> list[float]:
    """Milliseconds from each fence's commit to the first accepted write on the other side."""
    found = []
    for swap in work.swaps:
        first = work.ledger.first_after(swap.fenced_at, side=swap.to)
        if first is not None:
            found.append((first - swap.fenced_at) * 1000)
    return found


def _after(tried: Sequence[Tried], *, is_stop: bool) -> Pauses | None:
    how = How.STOPPED if is_stop else How.KILLED
    return pauses([one.pause_ms for one in tried if one.reached and one.how == how])


def _record(ask: Ask, found: Drilled) -> None:
    with recorded(ask.module, "drill", reason=ask.reason) as step:
        step.facts |= {
            "rounds": found.rounds,
            "swaps": found.swaps,
            "faults": len(found.faults),
            "writes": found.writes,
            "pause_ms": {"p50": found.clean.p50, "p99": found.clean.p99, "max": found.clean.max},
            "seconds": found.seconds,
        }
        if found.wrong or found.missed:
            step.outcome = Outcome.DIFFERENCES
            step.detail = "; ".join((*found.wrong, *found.missed))
