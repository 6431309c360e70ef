"""Compute that moves while shoppers buy: ``python -m tests.benchmarks.bench_moving [--quick]``.

Starts the whole shop with its services, switches the share of each again and again under buyers,
and prints what was switched, how long it took until it was in effect everywhere, which side did how
much, and every violation: requests that failed, charges and mails that are double or missing, books
that differ. Exit code 1 if there is one, or if a switch took a second or longer.

``--json`` prints the same for machines.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.benchmarks.own_servers import open_shop
from tests.e2e.moving import Moved, move
from tests.e2e.town import Town

SWITCHES, QUICK = 200, 50
BUYERS = 3
DWELL = 0.4  # seconds
AT_MOST = 1.0  # seconds until a switch is in effect
SKUS = ("E2E-4", "E2E-5")


def main(arguments: list[str]) -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bench_moving", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} switches, not {SWITCHES}.")
    parser.add_argument("--json", action="store_true", help="Print the figures as JSON.")
    chosen = parser.parse_args(arguments)
    with open_town() as town:
        print("the shop is open", file=sys.stderr)
        switches = QUICK if chosen.quick else SWITCHES
        moved = move(town, switches=switches, buyers=BUYERS, dwell=DWELL, skus=SKUS)
    if chosen.json:
        print(json.dumps(asdict(moved)))
    else:
        Console(width=100).print(_table(moved), *moved.violations, sep="\n")
    return 1 if moved.violations or max(moved.effects) >= AT_MOST else 0


@contextmanager
def open_town() -> Iterator[Town]:
    """A shop of real processes with its services, on servers and in a home of its own."""
    with open_shop(services=True) as shop, closing(Town(shop)) as town:
        town.wait_for_services()
        yield town


def _table(moved: Moved) -> Table:
    table = Table(title="compute moves between the monolith and two services")
    for title in ("what", "figure", "bound"):
        table.add_column(title, justify="left" if title == "what" else "right")
    effects = sorted(moved.effects)
    p95 = effects[int(len(effects) * 0.95)]
    for what, figure, bound in (
        ("switches under load", str(moved.switches), ""),
        ("requests; orders", f"{moved.requests:,}; {moved.orders:,}", ""),
        ("failed requests", str(len(moved.failed)), "0"),
        ("orders confirmed after their answer only", str(len(moved.late)), ""),
        ("charges double, missing or wrong", str(len(moved.charges)), "0"),
        ("mails double or missing", str(len(moved.mails)), "0"),
        ("orders on which the two ledgers differ", str(len(moved.books)), "0"),
        ("in effect everywhere after, p50", f"{moved.effect_p50 * 1000:.0f} ms", ""),
        ("p95", f"{p95 * 1000:.0f} ms", ""),
        ("longest", f"{effects[-1] * 1000:.0f} ms", f"{AT_MOST * 1000:.0f} ms"),
    ):
        table.add_row(what, figure, bound)
    for what, sides in moved.sides.items():
        shares = ", ".join(f"{side} {count:.0f}" for side, count in sides.items())
        table.add_row(what, shares, "both")
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
