"""Orders while the payment service is killed again and again: what shoppers see, and what remains.

    python -m tests.benchmarks.bench_degradation [--orders 2000] [--kills 20] [--rate 8]

The shop, payment's host and notification's host run apart, each with its own database, behind the
front door. Payment's web, worker and relay are killed (SIGKILL) together while shoppers order. Then
every order must come to rest within 60 s of its placing and be charged once, and each shopper have
one mail. Exit code 1 otherwise.

``--rate`` is in orders a second; 0: as fast as the buyers (``--buyers 4``) can. Then payment is
away nearly all of the time, and the machine has to work off all orders at the end.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

from tests.benchmarks.own_servers import own_servers
from tests.e2e.crowd import Crowd

REST_WITHIN = 60.0  # seconds from placing, the promise
PATIENCE = 180.0  # seconds after which nobody waits any longer here
DOWN = 0.5  # seconds between a kill and the next start
SKUS = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--buyers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=8.0)
    chosen = parser.parse_args()
    with own_servers() as (home, database, redis):
        # Read by what the tests' own modules import.
        os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = database, redis
        return run(home, chosen)


def run(home: Path, chosen: argparse.Namespace) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")
    import django

    django.setup()
    from tests.e2e.conftest import write_goods
    from tests.e2e.parted import PartedShop

    urls = {"database_url": os.environ["DATABASE_URL"], "redis_url": os.environ["REDIS_URL"]}
    with PartedShop(home, **urls) as shop:
        write_goods(home / "goods.csv")
        shop.manage("import_catalog", str(home / "goods.csv"))
        skus = [f"E2E-{number}" for number in range(1, SKUS + 1)]
        orders, kills, buyers = chosen.orders, chosen.kills, chosen.buyers
        pause = buyers / chosen.rate if chosen.rate else 0.0
        started, killed = time.monotonic(), 0
        with Crowd(shop.base, skus, buyers=buyers, orders=orders, pause=pause) as crowd:
            while crowd.is_buying:
                time.sleep(0.2)
                if killed < kills and len(crowd.answers("order")) >= (killed + 1) * orders // (
                    kills + 1
                ):
                    shop.kill_host("payment")
                    time.sleep(DOWN)
                    shop.start_host("payment")
                    killed += 1
        ordering = time.monotonic() - started
        return tell(shop, crowd, killed, ordering)


def tell(shop: object, crowd: Crowd, killed: int, ordering: float) -> int:
    """Wait for rest, and print the table."""
    from tests.e2e.running import RunningShop
    from tests.e2e.settling import mails, settlement

    assert isinstance(shop, RunningShop)
    ended = time.monotonic()
    answers = crowd.answers("order")
    taken = sum(seen.status in (201, 202) for seen in answers)

    def rested() -> bool:
        found = settlement(shop, crowd.domain)
        return not found.under_way and sum(mails(shop, crowd.domain).values()) >= taken

    while not rested() and time.monotonic() - ended < PATIENCE:
        time.sleep(1.0)
    found, sent = settlement(shop, crowd.domain), mails(shop, crowd.domain)
    longest = found.seconds[-1] if found.seconds else float("nan")
    refused = [seen for seen in crowd.answers() if seen.status not in (200, 201, 202)]
    table = {
        "orders answered": len(answers),
        "kills of the payment service": killed,
        "seconds of ordering": f"{ordering:.1f}",
        **{f"answered {status}": n for status, n in sorted(Counter(_statuses(crowd)).items())},
        "other answers than 200, 201, 202": len(refused),
        "longest answer to an order, s": f"{max(seen.seconds for seen in answers):.2f}",
        **{f"orders {state}": n for state, n in sorted(found.states.items())},
        "not at rest": found.under_way,
        "to rest p50 / p95 / longest, s": " / ".join(
            f"{found.seconds[int(len(found.seconds) * p)]:.1f}" for p in (0.5, 0.95, 0.9999)
        ),
        "charged twice": found.charged_twice,
        "bank and books differ": found.charged_wrongly,
        "shoppers with a mail": len(sent),
        "shoppers with two mails": sum(n > 1 for n in sent.values()),
    }
    for name, value in table.items():
        print(f"{name:36}{value:>20}")
    wrong = found.under_way or found.charged_twice or found.charged_wrongly or refused
    return 1 if wrong or longest > REST_WITHIN or len(sent) != taken else 0


def _statuses(crowd: Crowd) -> list[int]:
    return [seen.status for seen in crowd.answers("order")]


if __name__ == "__main__":
    sys.exit(main())
