"""Every process of a running shop killed at every step of an extraction's swaps.

    python -m tests.benchmarks.bench_killing [--quick] [--only web,relay]

Starts the whole shop, puts buyers and signed messages of a payment provider to work, and takes
payment out and back, 80 swaps in all. In each the controller stands still at one of the five steps
of the swap, one process gets SIGKILL (front door, the monolith's web, worker and relay, those of
the service with its own database, the watch), and the swap goes on. Buyers make again what was cut
off, orders with the same key, and the provider does not. Then the books are compared: with the
buyers' own notes, the bank's ledger, the mailbox, the provider's ledger, and both databases row by
row: some minutes later, when the lease of mails that a killed worker had claimed is over. A mail
that a sender had just handed over when it was killed comes again, with the same Message-ID: at most
one for each sender. Exit code 1 when a number that must be zero is not, or one is beyond its bound.

``--quick`` kills each process once there and once back; ``--json`` prints the same for machines.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from statistics import median

from rich.console import Console
from rich.table import Table

from modules.notification.domain import LEASE
from tests.benchmarks.bench_moving import open_town
from tests.benchmarks.showing.acts import STORED, first_charges
from tests.benchmarks.showing.teller import Ledger, telling
from tests.e2e.buyers import Notebook, buying
from tests.e2e.extracting import Controller
from tests.e2e.killing import (
    MODULE,
    PATIENCE,
    STEPS,
    VICTIMS,
    Kill,
    Killed,
    all_kills,
    killed,
    killed_senders,
)
from tests.e2e.moving import Moved, judge
from tests.e2e.running import RunningShop

BUYERS = 2
PAUSE = 0.5  # seconds between two purchases of one
RATE = 10.0  # signed messages a second
SKUS = ("E2E-4", "E2E-5")
# Seconds. A mail that a killed worker was about to send is another's when its lease is over.
REST_WITHIN = LEASE.total_seconds() + 90
QUICK = (2,)  # the step at which all has been brought, and nothing is committed


@dataclass(slots=True)
class Survived:
    """All that came of it."""

    ledger: Ledger
    notes: Notebook
    kills: list[Killed] = field(default_factory=list)
    moved: Moved = field(default_factory=Moved)
    senders: int = 0  # killed, perhaps while they were sending a mail
    rows_differ: int = 0
    written: dict[str, int] = field(default_factory=dict)  # lost, doubled, stray

    @property
    def zeros(self) -> dict[str, int]:
        """What must be zero."""
        moved = self.moved
        return {
            f"orders and requests that were never answered, of {moved.orders}": len(moved.failed),
            "orders on which the buyers' notes and the database differ": len(moved.books),
            "charges double, missing or wrong at the bank": len(moved.charges),
            "mails missing, or written twice": len(moved.mails),
            **{
                f"messages {what}, of {len(self.ledger.told)}": count
                for what, count in self.written.items()
            },
            "rows that differ between both databases": self.rows_differ,
        }


def main(arguments: list[str]) -> int:
    """Kill, compare and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bench_killing", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="One step of each swap, not all.")
    parser.add_argument("--only", default=",".join(VICTIMS), metavar="NAME,...", help="These.")
    parser.add_argument("--json", action="store_true", help="Print the figures as JSON.")
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    kills = list(all_kills(chosen.only.split(","), QUICK if chosen.quick else range(5)))
    with open_town() as town:
        survived = run(town.shop, kills)
    if chosen.json:
        figures = {
            "zeros": survived.zeros,
            "mails_again": [len(survived.moved.repeated), survived.senders],
            "kills": [asdict(one) for one in survived.kills],
        }
        print(json.dumps(figures))
    else:
        Console(width=118).print(_kills_table(survived), _zeros_table(survived), sep="\n")
        for sentence in (*survived.moved.violations, *survived.moved.repeated):
            print(sentence)
    return 1 if any(survived.zeros.values()) else 0


def run(shop: RunningShop, kills: Sequence[Kill]) -> Survived:
    """All of them, under load; then the books. Raises AssertionError when a swap has no end."""
    charges = first_charges(shop)
    secret = shop.environment["STANDIN_WEBHOOK_SECRET"]
    with Controller(shop) as control:
        with ExitStack() as load:
            ledger = load.enter_context(telling(shop.base, secret, charges, rate=RATE))
            notes = load.enter_context(
                buying(shop.base, SKUS, buyers=BUYERS, pause=PAUSE, patience=PATIENCE)
            )
            survived = Survived(ledger, notes)
            with _moved_out(control):
                for kill in kills:
                    survived.kills.append(killed(control, kill))
                    _say(survived.kills[-1])
        survived.senders = killed_senders(shop, kills)
        judge(
            shop,
            notes,
            survived.moved,
            within=REST_WITHIN,
            killed_senders=survived.senders,
        )
        survived.rows_differ = int(control.do("verify", MODULE)["rows_differ"])
        survived.written = ledger.check(str(row[0]) for row in shop.query(STORED))
    return survived


@contextmanager
def _moved_out(control: Controller) -> Iterator[None]:
    """payment's own service is there, and has every row."""
    control.do("create", MODULE)
    control.wait_for_own(MODULE)
    control.do("backfill", MODULE)
    control.do("verify", MODULE)
    yield


def _say(one: Killed) -> None:
    kill = one.kill
    print(
        f"{kill.verb} {kill.step}: {kill.victim} killed; code {one.code}, at rest after "
        f"{one.seconds:.1f} s",
        file=sys.stderr,
        flush=True,
    )


def _kills_table(survived: Survived) -> Table:
    """By victim: how the swaps ended, and how long until the module stood where it should."""
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    table = Table(title=f"killed at {' '.join(STEPS['cutover'])} and the way back ({load})")
    for title in ("killed", "swaps", "done", "finished by others", "said again", "rest p50", "max"):
        table.add_column(title, justify="left" if title == "killed" else "right")
    for victim in dict.fromkeys(one.kill.victim for one in survived.kills):
        mine = [one for one in survived.kills if one.kill.victim == victim]
        codes = [sum(one.code == code for one in mine) for code in (0, 3)]
        seconds = [one.seconds for one in mine]
        table.add_row(
            victim,
            *map(str, (len(mine), *codes, len(mine) - sum(codes))),
            f"{median(seconds):.1f} s",
            f"{max(seconds):.1f} s",
        )
    return table


def _zeros_table(survived: Survived) -> Table:
    table = Table(title="what must be zero")
    table.add_column("what")
    table.add_column("this run", justify="right")
    for what, count in survived.zeros.items():
        table.add_row(what, str(count))
    again = f"  mails handed over again, same Message-ID (of {survived.senders} killed senders)"
    table.add_row(again, str(len(survived.moved.repeated)))
    unanswered = len(survived.ledger.failed)
    table.add_row("  messages that a killed process did not answer", str(unanswered))
    table.add_row("  requests made again by buyers", str(survived.notes.repeated))
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
