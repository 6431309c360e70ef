"""Events between two hosts that share only the broker, under kills and flushes, against a ledger.

    python -m tests.benchmarks.bench_bus [--seconds 120] [--rate 150] [--fault NAME] [--seed 7]

Prints how many events there were, what was done to the hosts, what came of it, and how long it
took from the last harm until every event was handled and acknowledged. Exit code 1 unless nothing
was lost, doubled, out of order, handled by the wrong host or left under way. ``--fault`` plants a
bug first: then it should fail.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from modules.platform.databases import embedded
from tests.extracted.bus.faults import FAULTS
from tests.extracted.bus.harm import Harm, Outcome, harm, open_town, rest
from tests.extracted.bus.town import town


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of load")
    parser.add_argument("--rate", type=float, default=150.0, help="events a second and host")
    parser.add_argument(
        "--rest", type=float, default=60.0, help="seconds allowed for coming to rest"
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--fault", choices=sorted(FAULTS), default="", help="plant this bug")
    chosen = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="ficus-bench-"))
    home.chmod(0o755)  # as root PostgreSQL runs under a user of its own, which must get there
    try:
        server = embedded.ensure_postgres(home)
        with town(server.url, fault=chosen.fault) as both:
            open_town(both)
            end = time.monotonic() + chosen.seconds
            go_on = lambda done: time.monotonic() < end  # noqa: E731
            done = harm(both, go_on, rate=chosen.rate, seed=chosen.seed)
            outcome = rest(both, within=chosen.rest)
    finally:
        embedded.stop_postgres(home)
        shutil.rmtree(home, ignore_errors=True)
    tell(done, outcome)
    return 0 if outcome.found.is_clean and outcome.seconds is not None else 1


def tell(done: Harm, outcome: Outcome) -> None:
    """The table."""
    found = outcome.found
    rest = "never" if outcome.seconds is None else f"{outcome.seconds:.1f}"
    rows = {
        "events": found.events,
        "kills": done.kills,
        "flushes": done.flushes,
        "lost": found.lost,
        "doubled": found.doubled,
        "out of order": found.out_of_order,
        "handled by the wrong host": found.stray,
        "parked": found.parked,
        "without a receipt": found.unreceipted,
        "seconds to rest": rest,
    }
    for name, value in rows.items():
        print(f"{name:28}{value:>10}")


if __name__ == "__main__":
    sys.exit(main())
