"""Orders while the payment provider fails in every way it knows: what remains in the books.

    python -m tests.benchmarks.bench_faults [--orders 10000] [--rate 12] [--seed 1]

A shop of real processes. Every half second the stand-in provider is told to fail the next one
to three calls of some operation: not done, or done and the answer lost, held back or wrong. Of the
cards one in twelve is declined, one in 25 answers after its charge was given up, as many slowly.
Then every saga must be at rest within 60 s of its beginning; every order be charged once or not at
all, as it says, and hold the stock that it says; no charge may be for an order that nobody knows,
and no shopper may have one mail twice. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from modules.payment.standin.faults import Kind
from tests import plain
from tests.benchmarks.own_servers import open_shop
from tests.benchmarks.tallies import print_tally, spread
from tests.e2e.crowd import Crowd
from tests.e2e.running import RunningShop
from tests.e2e.settling import mails, saga_seconds, settlement, shelves
from tests.e2e.slowest import slowest
from tests.waiting import eventually

REST_WITHIN = 60.0  # seconds of a saga, the promise
PATIENCE = 180.0  # seconds after which nobody waits any longer here
PAUSE = 0.5  # seconds between two plans
SKUS = [f"E2E-{number}" for number in range(1, 13)]
METHODS = ["card_ok"] * 42 + ["card_declined"] * 4 + ["card_timeout"] * 2 + ["card_slow"] * 2
OPERATIONS = ("authorize", "capture", "void", "fetch", "list")
KINDS = tuple(kind for kind in Kind if kind is not Kind.REFUSE)  # that one is an opinion: a card's
SLOW = 1.0  # seconds


def main(arguments: list[str]) -> int:
    """Order, wait, compare and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bench_faults", description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=12.0, help="Orders a second.")
    parser.add_argument("--buyers", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    random = Random(chosen.seed)
    methods = random.sample(METHODS, len(METHODS))
    with open_shop() as shop:
        began = time.monotonic()
        with failing(shop, random) as faults:
            pause = chosen.buyers / chosen.rate
            with Crowd(
                shop.base, SKUS, chosen.buyers, chosen.orders, pause, methods=methods
            ) as crowd:
                crowd.wait()
        print(f"{chosen.orders} orders in {time.monotonic() - began:.0f} s", file=sys.stderr)
        return tell(shop, crowd, faults)


@contextmanager
def failing(shop: RunningShop, random: Random) -> Iterator[Counter[str]]:
    """The provider fails all the time; the calls that were to fail, by how."""
    url, told, stop = f"http://127.0.0.1:{shop.ports['STANDIN']}/faults", Counter[str](), False

    def plan() -> None:
        while not stop:
            kind, times = random.choice(KINDS), random.randint(1, 3)
            fault = {"operation": random.choice(OPERATIONS), "kind": kind, "times": times}
            plain.post(url, json=fault | ({"seconds": SLOW} if kind is Kind.SLOW else {}))
            told[kind] += times
            time.sleep(PAUSE)

    thread = threading.Thread(target=plan)
    thread.start()
    try:
        yield told
    finally:
        stop = True
        thread.join()
        plain.request("DELETE", url)


def tell(shop: RunningShop, crowd: Crowd, faults: Counter[str]) -> int:
    """Wait for rest, and print the table."""

    def rests() -> bool:
        found = settlement(shop, crowd.domain)
        return not (found.under_way or found.charged_wrongly or saga_seconds(shop)[1])

    try:
        eventually(rests, within=PATIENCE, what="rest of all")
    except AssertionError as error:
        print(error, file=sys.stderr)
    found, (sagas, running) = settlement(shop, crowd.domain), saga_seconds(shop)
    answers = crowd.answers("order")
    sent = mails(shop, crowd.domain)
    zeros = {
        "answers of 500 and above, or none": sum(
            seen.status >= 500 or not seen.status for seen in crowd.answers()
        ),
        "sagas not at rest": running,
        "orders neither captured nor cancelled": found.under_way,
        "orders charged twice": found.charged_twice,
        "orders on which the bank and the books differ": found.charged_wrongly,
        "charges for an order that nobody knows": found.charged_for_nothing,
        "SKUs that hold other stock than was sold": sum(
            shelf.held != shelf.sold for shelf in shelves(shop, SKUS)
        ),
        "mails that came twice": sum(count > 1 for count in sent.values()),
    }
    statuses = Counter(seen.status for seen in answers)
    figures = {
        "calls of the provider that were to fail": f"{sum(faults.values()):,}",
        **{f"  {kind}": f"{count:,}" for kind, count in sorted(faults.items())},
        **{f"orders answered {status}": f"{n:,}" for status, n in sorted(statuses.items())},
        **{f"orders {state}": f"{n:,}" for state, n in sorted(found.states.items())},
        "s to rest of sagas, p50 / p95 / longest (bound 60)": spread(sagas),
        "s to captured or cancelled, p50 / p95 / longest": spread(found.seconds),
        **{what: str(count) for what, count in zeros.items()},
    }
    print("slowest:", *slowest(shop, crowd.domain), sep="\n  ", file=sys.stderr)
    print_tally(figures, width=100)
    return 1 if any(zeros.values()) or sagas[-1] > REST_WITHIN else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
