"""What a person reads: figures beside the peer's, and the ratio that counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tests.benchmarks.versus import Round, Versus

FLOWS = {"order": "orders", "browse": "lists of 20"}

_FIGURES: tuple[tuple[str, str, Callable[[Round], float]], ...] = (
    ("{flows}/s", "{:.1f}", lambda r: r.rate),
    ("{flows}/s until quiet", "{:.1f}", lambda r: r.settled_rate),
    ("requests/s", "{:.0f}", lambda r: r.request_rate),
    ("p50 ms", "{:.1f}", lambda r: r.p50),
    ("p95 ms", "{:.1f}", lambda r: r.p95),
    ("CPU ms each, all processes", "{:.2f}", lambda r: sum(r.cpu.values())),
    ("{flows} per CPU second", "{:.1f}", lambda r: 1000 / sum(r.cpu.values())),
    ("s to quiet", "{:.2f}", lambda r: r.settle),
    ("failed", "{:.0f}", lambda r: sum(r.failures.values())),
    ("load generator CPU ms each", "{:.2f}", lambda r: r.load_cpu),
    ("cores the idle shop used", "{:.3f}", lambda r: r.idle_cpu),
    ("cores others used", "{:.2f}", lambda r: r.foreign_cpu),
)
_COMPARED = 7  # of the figures above, from the top: those with a ratio


def print_versus(console: Console, versus: Versus, expected: Mapping[str, str]) -> None:
    """The three tables of one flow. ``expected``: figure title to what is asked of its ratio."""
    console.print(_main(versus, expected))
    console.print(_processes(versus))
    if versus.flow == "order":
        console.print(_steps(versus))


def _main(versus: Versus, expected: Mapping[str, str]) -> Table:
    ours, peer = versus.shops[0], versus.shops[-1]
    table = Table(title=f"{FLOWS[versus.flow]}: {ours} and {peer}, medians of interleaved rounds")
    for title in ("clients", "figure", ours, peer, f"{ours} / {peer}", "expected"):
        table.add_column(title, justify="left" if title in ("figure", "expected") else "right")
    for concurrency in versus.clients:
        for place, (title, style, what) in enumerate(_FIGURES):
            name = title.format(flows=FLOWS[versus.flow])
            table.add_row(
                str(concurrency) if place == 0 else "",
                name,
                *(style.format(versus.median(shop, concurrency, what)) for shop in versus.shops),
                f"{versus.ratio(concurrency, what):.2f}x" if place < _COMPARED else "",
                expected.get(f"{concurrency} {name}", ""),
                end_section=place == len(_FIGURES) - 1,
            )
    return table


def _processes(versus: Versus) -> Table:
    table = Table(title=f"CPU ms for one of {FLOWS[versus.flow]}, by process")
    table.add_column("shop")
    table.add_column("process")
    for concurrency in versus.clients:
        table.add_column(f"{concurrency} clients", justify="right")
    for shop in versus.shops:
        names = list(versus.of(shop, versus.clients[0])[0].cpu)
        for name in names:
            cells = [
                f"{versus.median(shop, c, lambda r, name=name: r.cpu[name]):.2f}"  # type: ignore[misc]
                for c in versus.clients
            ]
            table.add_row(shop, name, *cells, end_section=name == names[-1])
    return table


def _steps(versus: Versus) -> Table:
    table = Table(title="p50 / p95 ms of each request of the flow")
    table.add_column("shop")
    table.add_column("request")
    for concurrency in versus.clients:
        table.add_column(f"{concurrency} clients", justify="right")
    for shop in versus.shops:
        for step in ("basket", "line", "order"):
            cells = [_step(versus, shop, c, step) for c in versus.clients]
            table.add_row(shop, step, *cells, end_section=step == "order")
    return table


def _step(versus: Versus, shop: str, concurrency: int, step: str) -> str:
    p50 = versus.median(shop, concurrency, lambda r: r.steps[step][0])
    p95 = versus.median(shop, concurrency, lambda r: r.steps[step][1])
    return f"{p50:.1f} / {p95:.1f}"


def simple(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table whose first column is text and whose others are figures."""
    table = Table(title=title)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*(f"{c:.2f}" if isinstance(c, float) else str(c) for c in row))
    return table
