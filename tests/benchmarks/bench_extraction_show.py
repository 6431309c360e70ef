"""A shop's modules moved out and back under load: ``make extraction``.

Starts the whole shop with its services, puts buyers, signed messages of a payment provider and an
operator to work, and takes payment and notification through all phases: monolith, shadow, canary at
5, 50 and 100 %, extracted, back to the monolith's data, and extracted again; then payment some more
times there and back, beside the buyers and, when they have gone, beside writers of rows. Prints
what each step took, who did the work in each phase, and the table of what must be shown with this
run's numbers. Exit code 1 when a number that must be zero is not.

``--json`` prints the same for machines.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from dataclasses import asdict

from rich.console import Console

from tests.benchmarks.bench_moving import open_town
from tests.benchmarks.showing.acts import QUICK, Length, Show
from tests.benchmarks.showing.report import acts_table, goals_of, goals_table


def main(arguments: list[str]) -> int:
    """Show and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bench_extraction_show", description=__doc__)
    parser.add_argument("--json", action="store_true", help="Print the figures as JSON.")
    parser.add_argument("--quick", action="store_true", help="Payment alone, and fewer trips.")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    with open_town() as town:
        print(f"{time.monotonic() - began:6.1f} s  the shop is open", file=sys.stderr)
        shown = Show(town, began, QUICK if chosen.quick else Length()).run()
    goals = goals_of(shown, seconds=time.monotonic() - began)
    if chosen.json:
        print(
            json.dumps(
                {
                    "acts": [asdict(act) for act in shown.acts],
                    "goals": [asdict(goal) for goal in goals],
                }
            )
        )
    else:
        load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        Console(width=118).print(acts_table(shown), goals_table(goals, load), sep="\n")
        for violation in shown.moved.violations + shown.page.wrong + shown.ledger.failed:
            print(violation)
    return 1 if any(goal.met is False and goal.must_hold for goal in goals) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
