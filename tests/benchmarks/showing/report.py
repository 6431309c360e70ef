"""What was shown, as tables: each step, and each goal beside the number of this run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from tests.benchmarks.showing import teller
from tests.benchmarks.showing.acts import Act, Beside, Shown

LIMIT = 300.0  # seconds for all of it
REQUEST = 0.25  # seconds: the longest request through HTTP and hold
PAUSES = (10.0, 30.0, 100.0)  # ms: p50, p99, max

# What this run does not measure, and which command does.
ELSEWHERE = (
    (
        "write pause at 1,000 writes/s, p50 / p99 / max",
        "10 / 30 / 100 ms",
        "make bench ARGS=extraction",
    ),
    (
        "pause when the controller is killed / stopped",
        "150 ms / the TTL + 100 ms",
        "make bench ARGS=extraction",
    ),
    (
        "one changed row in 10^6, touched by the application / out of band",
        "found in the pause / by the scrub",
        "make bench ARGS=extraction",
    ),
    (
        "kill -9 of controller or applier at every step",
        "0 lost",
        "manage.py strangler drill payment",
    ),
    (
        "kill -9 of front door, web, worker, relay, watch and service at every step",
        "0 lost",
        "python -m tests.benchmarks.bench_killing",
    ),
    ("stale processes' writes accepted", "0", "pytest tests/extraction/protocol"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A row. ``met`` is None where another command measures it; ``must_hold``: decides the exit."""

    what: str
    goal: str
    measured: str
    met: bool | None
    must_hold: bool = True


def goals_of(shown: Shown, *, seconds: float) -> list[Goal]:
    """The table "Must be shown", as far as this run has measured it."""
    return [*_zeros(shown), *_times(shown, seconds), *_elsewhere()]


def _zeros(shown: Shown) -> list[Goal]:
    told, moved = shown.ledger.told, shown.moved
    failed = len(moved.failed) + len(shown.ledger.failed)
    return [
        _zero(
            f"failed requests, of {moved.requests + len(told):,}, through {len(shown.swaps)} swaps",
            failed,
        ),
        _kept(f"{len(told):,} messages", shown.stored),
        _kept(f"{len(shown.rows.tickets):,} writers' transactions", shown.rows_stored),
        _zero(f"rows that differ, in {shown.compared} comparisons row by row", shown.rows_differ),
        _zero(
            f"charges double, missing or wrong at the bank, of {moved.orders} orders",
            len(moved.charges),
        ),
        _zero("mails double or missing", len(moved.mails)),
        _zero("orders on which the buyers' ledger and the database differ", len(moved.books)),
        _zero(f"looks at an admin page that failed, of {shown.page.looks}", len(shown.page.wrong)),
        Goal(
            what="signed receipts of these swaps that hold, each with the one before it",
            goal="all",
            measured=f"{shown.receipts} of {len(shown.swaps)}",
            met=shown.receipts == len(shown.swaps),
        ),
        Goal(
            what="one row changed out of band: found by the scrub",
            goal="found",
            measured="found" if shown.planted_found == 1 else f"{shown.planted_found} found",
            met=shown.planted_found == 1,
        ),
    ]


def _zero(what: str, count: int, measured: str = "") -> Goal:
    return Goal(what=what, goal="0", measured=measured or str(count), met=count == 0)


def _kept(what: str, found: Mapping[str, int]) -> Goal:
    return _zero(
        f"lost, doubled or stray, of {what} in a ledger outside",
        sum(found.values()),
        " / ".join(str(found[one]) for one in ("lost", "doubled", "stray")),
    )


def _longest(what: str, seconds: Sequence[float]) -> Goal:
    return Goal(
        what=what,
        goal=f"{REQUEST * 1000:.0f} ms",
        measured=_middle_and_most(seconds),
        met=max(seconds) <= REQUEST,
        must_hold=False,
    )


def _middle_and_most(seconds: Sequence[float]) -> str:
    return f"{median(seconds) * 1000:.0f} / {max(seconds) * 1000:.0f} ms"


def _times(shown: Shown, seconds: float) -> list[Goal]:
    back = [act.pause_ms or 0.0 for act in shown.swaps if act.what == "rollback"]
    longest = [shown.ledger.longest(act.at, act.until) for act in shown.swaps_beside(Beside.BUYERS)]
    rate = len(shown.ledger.told) / max(1.0, shown.acts[-1].until - shown.acts[0].at)
    loads = {
        Beside.WRITERS: f"{rate:.0f} messages and {shown.rows.rate:,.0f} row-writes a second",
        Beside.BUYERS: "messages and buyers",
    }
    return [
        *(_pause(load, shown.swaps_beside(whom)) for whom, load in loads.items()),
        *(row for whom, load in loads.items() for row in _held(load, shown, whom)),
        _longest("  with buyers, in all of a swap, from its command's start to its end", longest),
        Goal(
            what=f"rollback with all later writes kept, longest pause of {len(back)}",
            goal="< 1 s",
            measured=f"{max(back):.0f} ms",
            met=max(back) < 1000,
            must_hold=False,
        ),
        Goal(
            what="from a finished installation to all modules extracted / all of this run",
            goal=f"< {LIMIT:.0f} s",
            measured=f"{shown.extracted_after:.0f} / {seconds:.0f} s",
            met=seconds < LIMIT,
            must_hold=False,
        ),
    ]


def _pause(load: str, swaps: Sequence[Act]) -> Goal:
    pauses = sorted(act.pause_ms or 0.0 for act in swaps)
    return Goal(
        what=f"write pause, p50 / max of {len(pauses)} swaps, {load}",
        goal="10 / 100 ms",
        measured=f"{median(pauses):.1f} / {pauses[-1]:.1f} ms",
        met=median(pauses) <= PAUSES[0] and pauses[-1] <= PAUSES[2],
        must_hold=False,
    )


def _held(load: str, shown: Shown, whom: Beside) -> Iterator[Goal]:
    """Of the module whose writes the messages are: in another one's swap they are not held. And
    beside no swap: what the machine and the load alone make of a request.
    """
    swaps = [act for act in shown.swaps_beside(whom) if act.module == teller.MODULE]
    yield _longest(
        f"longest request through HTTP and hold, p50 / max of {len(swaps)} swaps, {load}",
        [shown.ledger.longest(*act.waiting) for act in swaps],
    )
    yield Goal(
        what="  the same in as long a time after each of them, in which nothing moves",
        goal="",
        measured=_middle_and_most([shown.ledger.longest(*act.calm) for act in swaps]),
        met=None,
    )


def _elsewhere() -> list[Goal]:
    return [
        Goal(what=what, goal=goal, measured=command, met=None) for what, goal, command in ELSEWHERE
    ]


def acts_table(shown: Shown) -> Table:
    """Each step: how long, how long writes waited, and who did the work while it stood."""
    table = Table(title="payment and notification, moved while people buy")
    for title in (
        "module",
        "step",
        "took",
        "writes waited",
        "then worked: monolith",
        "service",
        "own",
    ):
        table.add_column(title, justify="left" if title in ("module", "step") else "right")
    for act in shown.acts:
        waited = "" if act.pause_ms is None else f"{act.pause_ms:.1f} ms"
        sides = [str(act.work.get(side, "")) for side in ("monolith", "service", "own")]
        table.add_row(act.module, act.what, f"{act.seconds:.1f} s", waited, *sides)
    return table


def goals_table(goals: Sequence[Goal], load: str) -> Table:
    """What must be shown, with the goals."""
    table = Table(title=f"what must be shown ({load})")
    for title in ("what", "goal", "this run, or who measures it", ""):
        table.add_column(title)
    for goal in goals:
        verdict = {True: "yes", False: "NO", None: ""}[goal.met]
        table.add_row(goal.what, goal.goal, goal.measured, verdict)
    return table
