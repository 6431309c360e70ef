"""Goods that everybody wants at once, while processes die: nothing is sold twice.

    python -m tests.benchmarks.bench_hot_sku [--trials 1000] [--kills 50] [--seed 1]

A shop of real processes. In each trial 8 to 64 buyers, each with one or two pieces in the cart,
order the same SKU at the same moment; there are 20 of it. In every twentieth trial one process gets
SIGKILL while they do, and is started again. A buyer whose request fails makes it again with the
same key. Then no SKU may be sold more often than it was there, each must hold as much stock as was
sold, every saga must be at rest within 60 s of its beginning, every order be charged once, and all
buyers must have been answered: sold, or that there is not enough. Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from uuid import uuid4

import httpx

from tests import plain
from tests.benchmarks.own_servers import open_shop
from tests.benchmarks.tallies import print_tally, spread
from tests.e2e.running import RunningShop
from tests.e2e.settling import saga_seconds, settlement, shelves
from tests.e2e.shopper import Shopper
from tests.e2e.slowest import slowest
from tests.waiting import eventually

STOCK = 20
BUYERS = (8, 64)
VICTIMS = ("web", "worker", "outside", "relay", "standin", "beat", "proxy")
REST_WITHIN = 60.0  # seconds of a saga, the promise
PATIENCE = 180.0  # seconds after which nobody waits any longer here
# Seconds: what a dead web process was at may be taken over after 60.
REPEATS_FOR, AGAIN = 90.0, 0.3
SOLD, ACCEPTED = "placed", "not yet known (202)"
DOWN = 0.3  # seconds between a kill and the next start


@dataclass
class Trials:
    """All of them on one shop. ``said``: how buyers were answered in the end."""

    shop: RunningShop
    random: Random
    domain: str = field(default_factory=lambda: f"{uuid4().hex[:10]}.example")
    said: Counter[str] = field(default_factory=Counter)
    killed: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    def run(self, trials: int, kills: int) -> None:
        """One after another; progress to stderr."""
        every = max(1, trials // kills) if kills else trials + 1
        with ExitStack() as clients, self._buyers(clients):
            for number in range(trials):
                deadly = number % every == every - 1
                self._trial(f"HOT-{number}", self.random.choice(VICTIMS) if deadly else None)
                if number % 50 == 49:
                    done = f"{number + 1} trials: {dict(self.said)}"
                    print(done, file=sys.stderr, flush=True)

    def _buyers(self, clients: ExitStack) -> ThreadPoolExecutor:
        """Their threads. Each has a client: to make one for each buyer takes more of the processor
        than what is asked.
        """
        self._own = threading.local()

        def begin() -> None:
            client = plain.client(base_url=self.shop.base, timeout=40)
            self._own.http = clients.enter_context(client)

        self._threads = ThreadPoolExecutor(BUYERS[1], initializer=begin)
        return self._threads

    def _trial(self, sku: str, victim: str | None) -> None:
        buyers = self.random.randint(*BUYERS)
        gate = threading.Barrier(buyers + 1)
        wanted = [self.random.randint(1, 2) for _ in range(buyers)]
        works = [self._threads.submit(self._buy, sku, count, gate) for count in wanted]
        gate.wait()
        if victim is not None:
            time.sleep(self.random.uniform(0, 0.3))
            self.shop.kill(victim)
            time.sleep(DOWN)
            self.shop.start(victim)
            self.killed[victim] += 1
        self.said.update(work.result() for work in works)
        if victim is not None:
            self.shop.wait_ready()

    def _buy(self, sku: str, count: int, gate: threading.Barrier) -> str:
        """One buyer's whole way; what the order was answered in the end."""
        key = uuid4().hex
        one = Shopper(self._own.http)
        one.email = f"{key}@{self.domain}"
        try:
            one.take_cart()
            one.add(sku, count)
        finally:
            gate.wait()
        until = time.monotonic() + REPEATS_FOR
        while (said := _ordered(one, key)) is None and time.monotonic() < until:
            self.repeated += 1
            time.sleep(AGAIN)
        return said or "never answered"


def _ordered(one: Shopper, key: str) -> str | None:
    """``SOLD``, ``ACCEPTED`` or a refusal's code; None when the request is to be made again."""
    try:
        answer = one.order(key=key)
    except httpx.HTTPError:
        return None
    if answer.status_code in (200, 201, 202):
        return ACCEPTED if answer.status_code == 202 else SOLD
    code = str(answer.json()["code"])
    again = answer.status_code >= 500 or code == "idempotency_key_in_use"
    return None if again else code


def main(arguments: list[str]) -> int:
    """Try, wait, compare and print; the exit code."""
    parser = argparse.ArgumentParser(prog="bench_hot_sku", description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is stopped
    with open_shop() as shop:
        skus = [f"HOT-{number}" for number in range(chosen.trials)]
        _import(shop, skus)
        trials = Trials(shop, Random(chosen.seed))
        began = time.monotonic()
        trials.run(chosen.trials, chosen.kills)
        seconds = time.monotonic() - began
        return tell(trials, skus, seconds)


def _import(shop: RunningShop, skus: list[str]) -> None:
    head = "sku,name,description,category,brand,price,currency,stock\n"
    rows = [f"{sku},Hot {sku},Rare.,Food > Rare,Orchard,5.00,USD,{STOCK}\n" for sku in skus]
    (shop.home / "hot.csv").write_text(head + "".join(rows))
    shop.manage("import_catalog", str(shop.home / "hot.csv"))


def tell(trials: Trials, skus: list[str], seconds: float) -> int:
    """Wait for rest, and print the table."""
    shop, domain = trials.shop, trials.domain

    def rests() -> bool:
        return not (settlement(shop, domain).under_way or saga_seconds(shop)[1])

    try:
        eventually(rests, within=PATIENCE, what="rest of all")
    except AssertionError as error:
        print(error, file=sys.stderr)
    found, all_shelves = settlement(shop, domain), shelves(shop, skus)
    sagas, running = saga_seconds(shop)
    known = (SOLD, ACCEPTED, "inventory.insufficient_stock")
    zeros = {
        "SKUs oversold": sum(shelf.sold > shelf.on_hand for shelf in all_shelves),
        "SKUs that hold other stock than was sold": sum(
            shelf.held != shelf.sold for shelf in all_shelves
        ),
        "SKUs that are not in the books": len(skus) - len(all_shelves),
        "buyers answered otherwise, or never": sum(
            count for said, count in trials.said.items() if said not in known
        ),
        "sagas not at rest": running,
        "orders neither captured nor cancelled": found.under_way,
        "orders charged twice": found.charged_twice,
        "orders on which the bank and the books differ": found.charged_wrongly,
        "charges for an order that nobody knows": found.charged_for_nothing,
    }
    figures = {
        "trials, and seconds they took": f"{len(skus):,} / {seconds:.0f}",
        "processes killed": ", ".join(f"{n} {name}" for name, n in sorted(trials.killed.items())),
        **{f"buyers told: {said}": f"{n:,}" for said, n in sorted(trials.said.items())},
        "requests made again": f"{trials.repeated:,}",
        **{f"orders {state}": f"{n:,}" for state, n in sorted(found.states.items())},
        "pieces sold, of": f"{sum(shelf.sold for shelf in all_shelves):,} / {STOCK * len(skus):,}",
        "s to rest of sagas, p50 / p95 / longest (bound 60)": spread(sagas),
        "s to captured or cancelled, p50 / p95 / longest": spread(found.seconds),
        **{what: str(count) for what, count in zeros.items()},
    }
    print("slowest:", *slowest(shop, domain), sep="\n  ", file=sys.stderr)
    print_tally(figures, width=110)
    return 1 if any(zeros.values()) or sagas[-1] > REST_WITHIN else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
