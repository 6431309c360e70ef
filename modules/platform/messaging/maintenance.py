"""What keeps the bus small, and its gauges true; every relay does it now and then."""

from __future__ import annotations

from modules.platform.messaging import dedup, metrics, partitions, status
from modules.platform.messaging.carrier import Carrier, queues_here

STATES = ("retry", "blocked", "dead", "manual")


def maintain(module: str) -> None:
    """Look after one module's tables. Any number of processes may do so at once."""
    partitions.make_ahead(module)
    partitions.drop_acknowledged(module)
    dedup.forget_old(module)
    measure(module)


def measure(module: str) -> None:
    """Set the gauges of ``module`` as a source, a consumer and a setter of timers."""
    for one in status.subscriptions(module):
        metrics.LAG_ROWS.labels(module, one.consumer).set(one.lag_rows)
        metrics.LAG_SECONDS.labels(module, one.consumer).set(one.lag_seconds)
    counts = dict.fromkeys(STATES, 0)
    for group in status.letter_groups(module):
        counts[group.state] += group.count
    for state, count in counts.items():
        metrics.LETTERS.labels(module, state).set(count)
    late = sum(t.count if t.state == "dead" else t.overdue for t in status.timer_groups(module))
    metrics.TIMERS_OVERDUE.labels(module).set(late)


def measure_queues(modules: tuple[str, ...], carrier: Carrier) -> None:
    """Set the gauges of this host's queues for ``modules``. Raises the broker's errors."""
    for queue, messages in carrier.depths(queues_here(modules)).items():
        metrics.QUEUE_DEPTH.labels(queue).set(messages)
