"""The metric families of the front door, made of its workers' snapshots.

Labels have few values: routes, upstreams, capabilities and listeners are names of the table,
instances those that are there now, statuses and codes are known beforehand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from strangler_proxy.config import Document, Phase
from strangler_proxy.control.family import Family
from strangler_proxy.control.fleet import MemberSnapshot, WorkerSnapshot
from strangler_proxy.control.views import BREAKERS, merge_upstreams
from strangler_proxy.metrics import BOUNDS, FAMILIES, Served, Snapshot, merge

PREFIX = "ficus_proxy"
_EJECTED = "1 if a worker has ejected it."
_BREAKER = "0 closed or none, 1 half open, 2 open: the worst that a worker has."


def families(
    workers: Sequence[WorkerSnapshot], document: Document | None, *, ready: bool
) -> Iterator[Family]:
    """Every family, one after the other."""
    yield _gauge("ready", "1 if traffic may come here.", ready)
    counted = merge(worker.metrics for worker in workers)
    yield from _requests(counted)
    yield from _events(counted)
    yield from _workers(workers)
    yield from _upstreams(workers)
    if document is not None:
        yield from _table(document)


def _requests(counted: Snapshot) -> Iterator[Family]:
    requests = _counter("requests", "Requests answered.", "route", "upstream", "status")
    for one in counted.served:
        requests.add([one.route, one.upstream, one.status], sum(one.buckets))
    yield requests
    by_route: dict[tuple[str, str], list[Served]] = defaultdict(list)
    for one in counted.served:
        by_route[one.route, one.upstream].append(one)
    received = _counter("request_bytes", "Bytes of request bodies.", "route", "upstream")
    sent = _counter("response_bytes", "Bytes of response bodies.", "route", "upstream")
    for key, group in by_route.items():
        received.add(key, sum(one.bytes_in for one in group))
        sent.add(key, sum(one.bytes_out for one in group))
    yield received
    yield sent
    yield _durations(by_route)


def _durations(groups: dict[tuple[str, str], list[Served]]) -> Family:
    family = Family(
        "histogram",
        f"{PREFIX}_request_seconds",
        "From the end of a request's head to the end of its answer.",
        ("route", "upstream"),
    )
    for key, group in groups.items():
        counts = map(sum, zip(*(one.buckets for one in group), strict=True))
        family.add_histogram(key, BOUNDS, counts, sum(one.seconds for one in group))
    return family


def _events(counted: Snapshot) -> Iterator[Family]:
    families = {
        event: _counter(event.value, family.meaning, *family.labels)
        for event, family in FAMILIES.items()
    }
    for tally in counted.tallies:
        families[tally.event].add(tally.labels, tally.value)
    for event, family in FAMILIES.items():
        if not family.labels and not families[event].samples:
            families[event].add((), 0)  # so that a rate is there before the first
        yield families[event]
    yield _gauge("connections", "Client connections open.", counted.connections(), "listener")


def _workers(workers: Sequence[WorkerSnapshot]) -> Iterator[Family]:
    yield _gauge("workers", "Worker processes that answered.", len(workers))
    yield _gauge("draining", "Workers that are ending.", sum(one.draining for one in workers))
    cpu = _counter("worker_cpu_seconds", "Time on a processor.", "worker")
    for one in workers:
        cpu.add([str(one.worker)], one.cpu_seconds)
    yield cpu

    def of_each(value: Callable[[WorkerSnapshot], float]) -> dict[str, float]:
        return {str(one.worker): value(one) for one in workers}

    resident = of_each(lambda one: one.resident_bytes)
    yield _gauge("worker_resident_bytes", "Memory in use.", resident, "worker")
    started = of_each(lambda one: one.started)
    yield _gauge("worker_start_time_seconds", "When it started, unix time.", started, "worker")
    revision = of_each(lambda one: one.revision)
    yield _gauge("table_revision", "Of the table in force.", revision, "worker")
    entries = sum(one.cache_entries for one in workers)
    yield _gauge("cache_entries", "Answers in the caches.", entries)
    size = sum(one.cache_bytes for one in workers)
    yield _gauge("cache_bytes", "Bytes of the answers in the caches.", size)


def _upstreams(workers: Sequence[WorkerSnapshot]) -> Iterator[Family]:
    merged = merge_upstreams(workers)
    inflight = {name: one.inflight for name, one in merged.items()}
    yield _gauge("upstream_inflight", "Requests in the bulkhead.", inflight, "upstream")
    waiting = {name: one.waiting for name, one in merged.items()}
    yield _gauge("upstream_waiting", "Requests in the bulkhead's queue.", waiting, "upstream")
    panic = {name: one.panic for name, one in merged.items()}
    yield _gauge("upstream_panic", "1 if no instance is well: all are asked.", panic, "upstream")

    def of_each(name: str, meaning: str, value: Callable[[MemberSnapshot], float]) -> Family:
        family = Family("gauge", f"{PREFIX}_instance_{name}", meaning, ("upstream", "instance"))
        for upstream, one in merged.items():
            for member in one.members:
                family.add((upstream, member.address), value(member))
        return family

    yield of_each("inflight", "Requests under way.", lambda one: one.inflight)
    yield of_each("connections", "Connections open.", lambda one: one.open)
    yield of_each("idle_connections", "Connections waiting for work.", lambda one: one.idle)
    yield of_each("healthy", "1 if every worker finds it healthy.", lambda one: one.healthy)
    yield of_each("ejected", _EJECTED, lambda one: one.ejected_seconds > 0)
    yield of_each("draining", "1 if it gets nothing new.", lambda one: one.draining)
    yield of_each("breaker", _BREAKER, lambda one: max(0, BREAKERS.index(one.breaker) - 1))


def _table(document: Document) -> Iterator[Family]:
    phases = Family(
        "gauge",
        f"{PREFIX}_capability_phase",
        "1 for the phase a capability is in, 0 for the others.",
        ("capability", "phase"),
    )
    for name, one in document.capabilities.items():
        for phase in Phase:
            phases.add((name, phase), one.phase is phase)
    yield phases
    of = document.capabilities.items()
    percent = {name: one.percent for name, one in of}
    yield _gauge("capability_percent", "Share of its canary.", percent, "capability")
    epochs = {name: one.epoch for name, one in of}
    yield _gauge("capability_epoch", "Epoch of its authority.", epochs, "capability")
    held = {name: one.held for name, one in of}
    yield _gauge("capability_held", "1 if its commands wait.", held, "capability")


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return Family("counter", f"{PREFIX}_{name}", meaning, labels)


def _gauge(name: str, meaning: str, value: float | Mapping[str, float], *labels: str) -> Family:
    """One value, or one for each value of one label."""
    family = Family("gauge", f"{PREFIX}_{name}", meaning, labels)
    values = (
        {(label,): one for label, one in value.items()}
        if isinstance(value, Mapping)
        else {(): value}
    )
    for label, one in values.items():
        family.add(label, one)
    return family
