"""What a divided way costs a call that stays here, beside the same call made directly.

    python -m tests.benchmarks.bench_placement [--calls 50000] [--repeat 15]

The split is installed as in the monolith; every module's connection is open. Three shares: 0 %,
where nothing is divided; 50 % with an asker of the local half; and, for comparison, the binding
without the split. The bound is 3 us a call at 0 %; exit code 1 when it costs more.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from typing import Any

from tests.benchmarks.bench_binding import Probe, Prober, _start_django

BOUND = 3.0  # microseconds over the direct call
HERE = "c"  # an asker of the local half: bucket 49


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=15)
    chosen = parser.parse_args()
    _start_django()
    from modules.platform.binding import bind, route, use
    from modules.platform.binding.routes import LocalRoute
    from modules.platform.contracts import Actor, ActorKind, CallContext, call_context
    from modules.platform.discovery import LeastLoaded, StaticSource
    from modules.platform.placement.buckets import bucket_of_call
    from modules.platform.placement.splitting import SplitRoute
    from modules.platform.placement.watching import Watcher
    from modules.platform.rpc import RemoteRoute
    from tests.platform.placement.tables import Still

    Probe.__module__ = "modules.probe.contract.port"
    prober, table = Prober(), Still()
    table.watcher = Watcher(table)

    def measure(call: Callable[[], object]) -> float:
        """The best of several rounds: everything that is slower is somebody else's doing."""
        best = min(timeit.repeat(call, number=chosen.calls, repeat=chosen.repeat))
        return best / int(chosen.calls) * 1e6

    def asked() -> Any:
        return use(Probe).ask(number=1)

    bind(Probe, prober)
    direct = measure(lambda: prober.ask(number=1))
    bound = measure(asked)
    remote = RemoteRoute(LeastLoaded(StaticSource({})))
    route(Probe, SplitRoute(LocalRoute(prober), remote, table.watcher))
    undivided = measure(asked)
    table.place("probe", 50)
    asker = CallContext(actor=Actor(kind=ActorKind.CUSTOMER, id=HERE))
    assert bucket_of_call(asker) < 50, "the asker is to be of the local half"
    with call_context(asker):
        divided = measure(asked)
    table.watcher.close()
    sys.stdout.write(
        f"direct call                    {direct:6.2f} us\n"
        f"use(Port).method()             {bound:6.2f} us  (+{bound - direct:.2f} us)\n"
        f"the same, split, at 0 %        {undivided:6.2f} us  (+{undivided - direct:.2f} us)\n"
        f"the same, split, local of 50 % {divided:6.2f} us  (+{divided - direct:.2f} us)\n"
        f"bound at 0 %                   +{BOUND:.2f} us\n"
    )
    return int(undivided - direct > BOUND)


if __name__ == "__main__":
    sys.exit(main())
