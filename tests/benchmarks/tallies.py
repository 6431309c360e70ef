"""What the benchmarks that harm a whole shop print alike."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table


def print_tally(figures: Mapping[str, str], *, width: int) -> None:
    """One row each, under how busy the machine is."""
    table = Table(title=f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for row in figures.items():
        table.add_row(*row)
    Console(width=width).print(table)


def spread(seconds: Sequence[float]) -> str:
    """p50 / p95 / longest of sorted ones; there must be one."""
    shown = (seconds[int(len(seconds) * 0.5)], seconds[int(len(seconds) * 0.95)], seconds[-1])
    return " / ".join(f"{one:.1f}" for one in shown)
