"""What a call through the binding costs beside the same call made directly, in the same run.

    python -m tests.benchmarks.bench_binding [--calls 50000] [--repeat 15]

In-process, as in the monolith: the route is looked up, the deadline and the open transactions are
asked for, and then the implementation is called. The bound is 3 us a call with every module's
connection open; exit code 1 when the call costs more.
"""

from __future__ import annotations

import argparse
import os
import sys
import timeit
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

BOUND = 3.0  # microseconds over the direct call


class Probe(Protocol):
    """A port of one method that does nothing, so that only the way to it is measured."""

    def ask(self, *, number: int) -> int: ...


class Prober:
    """The implementation."""

    def ask(self, *, number: int) -> int:
        return number


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=15)
    chosen = parser.parse_args()
    _start_django()
    from modules.platform.binding import bind, use
    from modules.platform.contracts import deadline_in

    Probe.__module__ = "modules.probe.contract.port"
    prober = Prober()
    bind(Probe, prober)

    def measure(call: Callable[[], object]) -> float:
        """The best of several rounds: everything that is slower is somebody else's doing."""
        best = min(timeit.repeat(call, number=chosen.calls, repeat=chosen.repeat))
        return best / int(chosen.calls) * 1e6

    direct = measure(lambda: prober.ask(number=1))
    bound = measure(lambda: use(Probe).ask(number=1))
    with deadline_in(timedelta(hours=1)):
        timed = measure(lambda: use(Probe).ask(number=1))
    sys.stdout.write(
        f"direct call                    {direct:6.2f} us\n"
        f"use(Port).method()             {bound:6.2f} us  (+{bound - direct:.2f} us)\n"
        f"use(Port).method(), deadline   {timed:6.2f} us  (+{timed - direct:.2f} us)\n"
        f"bound                          +{BOUND:.2f} us\n"
    )
    return int(timed - direct > BOUND)


def _start_django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings.dev")
    import django
    from django.db import connections

    django.setup()
    for connection in connections.all():
        connection.ensure_connection()  # the probe asks each open connection


if __name__ == "__main__":
    sys.exit(main())
