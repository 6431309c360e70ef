"""What a person reads of a run: each contestant under each load, the ratios, the goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tests.benchmarks import tables
from tests.benchmarks.proxy import contestants
from tests.benchmarks.proxy.contestants import Shape
from tests.benchmarks.proxy.goals import (
    BARE,
    ENVOY,
    FULL,
    NGINX,
    NGINX_THERE,
    SPLICE,
    Goal,
    best_pair,
)
from tests.benchmarks.proxy.rounds import Round, Standing

FULL_CORE = 0.95  # of the load's cores: from here on a rate says more about the load than the proxy
QUIET = 0.1  # cores that others may use before rates and p99 say more about them

_COLUMNS: tuple[tuple[str, str, Callable[[Round], float]], ...] = (
    ("req/s", "{:,.0f}", lambda r: r.rate),
    ("CPU us", "{:.1f}", lambda r: r.cpu),
    ("p50 ms", "{:.3f}", lambda r: r.p50 / 1000),
    ("p99 ms", "{:.2f}", lambda r: r.p99 / 1000),
    ("MiB", "{:.0f}", lambda r: r.memory),
    ("its core", "{:.0%}", lambda r: r.proxy_core),
    ("load's", "{:.0%}", lambda r: r.load_core),
    ("others", "{:.2f}", lambda r: r.foreign),
    ("stolen", "{:.2f}", lambda r: r.stolen),
)


def show(console: Console, standing: Standing, goals: list[Goal]) -> None:
    """All tables of a run."""
    for load in standing.loads:
        console.print(_figures(standing, load), highlight=False)
    console.print(_memory(standing), highlight=False)
    console.print(_ratios(standing), highlight=False)
    console.print(_without(standing), highlight=False)
    console.print(_goals(goals), highlight=False)
    for out in standing.out:
        console.print(f"not counted: {out.why}", highlight=False)
    foreign = statistics.median(r.foreign for r in standing.rounds)
    if foreign > QUIET:
        console.print(f"others used {foreign:.2f} cores meanwhile: trust ratios, of CPU first")


def _figures(standing: Standing, load: str) -> Table:
    rows = []
    for name in standing.contestants:
        if standing.of(name, load):
            cells = [
                style.format(standing.median(name, load, what)) for _title, style, what in _COLUMNS
            ]
            full = (standing.median(name, load, lambda r: r.load_core) or 0) >= FULL_CORE
            rows.append((name, f">= {cells[0]}" if full else cells[0], *cells[1:]))
    titles = [title for title, _style, _what in _COLUMNS]
    return tables.simple(f"{load}: medians of interleaved rounds", (load, *titles), rows)


def _memory(standing: Standing) -> Table:
    rows = []
    for name, idle in standing.idle.items():
        most = [standing.median(name, load, lambda r: r.memory) for load in standing.loads]
        loaded = max((one for one in most if one is not None), default=None)
        rows.append((name, f"{idle:.0f}", "" if loaded is None else f"{loaded:.0f}"))
    return tables.simple("Resident memory, MiB", ("", "idle", "most under load"), rows)


def _ratios(standing: Standing) -> Table:
    """Ours over theirs for rates, theirs over ours for CPU and p99: above 1 is ours better."""
    rows = []
    for load in standing.loads:
        best = best_pair(standing, load)
        pairs = [(BARE, NGINX), (FULL, NGINX), (FULL, f"nginx {Shape.FULL}"), (FULL, ENVOY)]
        ceiling = [(FULL, SPLICE), (SPLICE, NGINX)]
        for ours, theirs in [*pairs, (BARE, best), (FULL, best), *ceiling]:
            if not theirs or not standing.of(ours, load) or not standing.of(theirs, load):
                continue
            hows: tuple[Callable[[Round, Round], float], ...] = (
                lambda a, b: a.rate / b.rate,
                lambda a, b: b.cpu / a.cpu,
                lambda a, b: b.p50 / a.p50,
                lambda a, b: b.p99 / a.p99,
            )
            cells = (f"{standing.compared(ours, theirs, load, how):.2f}x" for how in hows)
            rows.append((f"{load}: {ours} / {theirs}", *cells))
    columns = ("above 1: ours is better", "req/s", "CPU", "p50", "p99")
    return tables.simple("Ratios, medians of neighbouring rounds", columns, rows)


def _without(standing: Standing) -> Table:
    table = Table(title="What is missing in `full`")
    table.add_column("")
    table.add_column("without")
    for contestant in contestants.PEERS:
        if contestant.name in standing.contestants and contestant.without:
            table.add_row(contestant.name, contestant.without)
    return table


def _goals(goals: list[Goal]) -> Table:
    """Each as a number, as its share of the bound, and at the speed at which the bound was set."""
    rows = []
    for goal in goals:
        sign = ">=" if goal.at_least else "<="
        bound = f"{sign} {_number(goal.bound, goal.unit)}"
        here = _judged(goal, goal.measured, met=goal.met, absent="not measured")
        rows.append((goal.text, bound, *here, *_judged(goal, goal.there, met=goal.met_there)))
    title = f"Goals, and where a request costs bare nginx {NGINX_THERE} us as where they were set"
    columns = ("of it", "", "there", "of it", "")
    return tables.simple(title, ("goal", "bound", "measured", *columns), rows)


def _judged(
    goal: Goal, value: float | None, *, met: bool | None, absent: str = ""
) -> tuple[str, str, str]:
    """A value, its ratio to the bound, and the verdict."""
    if value is None:
        return "", "", absent
    return (
        _number(value, goal.unit),
        f"{value / goal.bound:.2f}x",
        "met" if met else "missed",
    )


def _number(value: float, unit: str) -> str:
    text = f"{value:,.0f}" if value >= 1000 else f"{value:.2f}"
    return f"{text}{unit}" if unit == "x" else f"{text} {unit}".rstrip()
