"""Counting per process, merging over processes, and the text that Prometheus reads."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from strangler_proxy import metrics
from strangler_proxy.config import Document
from strangler_proxy.control.exposition import exposition
from strangler_proxy.control.fleet import MemberSnapshot, UpstreamSnapshot, WorkerSnapshot
from strangler_proxy.metrics import BOUNDS, FAMILIES, Event, Metrics, Snapshot, merge

REQUESTS = st.lists(
    st.tuples(
        st.sampled_from(["orders", "catalog", ""]),
        st.sampled_from(["monolith", "orders-service", ""]),
        st.integers(0, 999),
        st.one_of(st.sampled_from(BOUNDS), st.floats(0, 120)),
        st.integers(0, 1 << 40),
        st.integers(0, 1 << 40),
    ),
    max_size=40,
)


def _counted(requests: list[tuple[str, str, int, float, int, int]]) -> Metrics:
    counted = Metrics()
    for request in requests:
        counted.observe(*request)
    return counted


def _plain(snapshot: Snapshot) -> dict[tuple[str, str, str], tuple[float, int, int, list[int]]]:
    """Comparable whatever the order; seconds without the last digits that depend on it."""
    return {
        (one.route, one.upstream, one.status): (
            round(one.seconds, 6),
            one.bytes_in,
            one.bytes_out,
            list(one.buckets),
        )
        for one in snapshot.served
    }


def _worker(number: int, counted: Metrics, **more: object) -> WorkerSnapshot:
    values = {"worker": number, "pid": 100 + number, "revision": 7, "metrics": counted.snapshot()}
    return WorkerSnapshot(**{**values, **more})


def _families(*workers: WorkerSnapshot, document: Document | None = None) -> dict[str, Metric]:
    text = asyncio.run(exposition(workers, document, ready=True)).decode()
    found = list(text_string_to_metric_families(text))
    names = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE"))
    assert max(names.values()) == 1, names.most_common(1)
    assert len(names) == len(found)
    return {family.name: family for family in found}


def _values(family: Metric) -> dict[tuple[str, ...], float]:
    """By the values of the labels, in the order of the labels' names."""
    return {tuple(sample.labels.values()): sample.value for sample in family.samples}


@given(REQUESTS)
def test_every_request_is_in_the_bucket_that_bounds_it(
    requests: list[tuple[str, str, int, float, int, int]],
) -> None:
    """A bucket's bound belongs to it, and nothing is lost or counted twice."""
    served = _counted(requests).snapshot().served
    found = [sum(column) for column in zip(*(one.buckets for one in served), strict=True)]
    wanted = [0] * (len(BOUNDS) + 1)
    for request in requests:
        wanted[bisect_left([*BOUNDS], request[3])] += 1
    assert (found or wanted) == wanted
    assert sum(one.bytes_in for one in served) == sum(request[4] for request in requests)
    assert sum(one.bytes_out for one in served) == sum(request[5] for request in requests)


@given(REQUESTS, REQUESTS)
def test_workers_together_have_counted_what_one_would_have(
    left: list[tuple[str, str, int, float, int, int]],
    right: list[tuple[str, str, int, float, int, int]],
) -> None:
    """Merging adds up, and loses no series that only one worker has."""
    merged = merge([_counted(left).snapshot(), _counted(right).snapshot()])
    assert _plain(merged) == _plain(_counted(left + right).snapshot())


def test_events_are_counted_by_their_labels() -> None:
    """Each combination on its own, and merging adds them up."""
    counted = Metrics()
    counted.count(Event.CACHED, "catalog", "hit")
    counted.count(Event.CACHED, "catalog", "hit")
    counted.count(Event.CACHED, "catalog", "miss")
    counted.count(Event.LOG_LINES_DROPPED, by=40)
    merged = merge([counted.snapshot(), counted.snapshot()])
    assert {(one.event, one.labels): one.value for one in merged.tallies} == {
        (Event.CACHED, ("catalog", "hit")): 4,
        (Event.CACHED, ("catalog", "miss")): 2,
        (Event.LOG_LINES_DROPPED, ()): 80,
    }


def test_an_event_with_other_labels_than_its_own_is_refused() -> None:
    """A series with a label too few would be a second family of the same name."""
    with pytest.raises(ValueError, match=r"cache_lookups .*\('route', 'result'\)"):
        Metrics().count(Event.CACHED, "hit")


def test_every_event_has_a_family() -> None:
    """So that counting one cannot fail for want of it."""
    assert set(FAMILIES) == set(Event)


@pytest.mark.parametrize(
    ("status", "label"),
    [(200, "200"), (404, "404"), (499, "499"), (299, "2xx"), (599, "5xx"), (999, "other")],
)
def test_invented_statuses_are_counted_by_their_class(status: int, label: str) -> None:
    """An upstream cannot make hundreds of series by inventing statuses."""
    counted = Metrics()
    counted.observe("orders", "monolith", status, 0.01, 0, 0)
    assert [one.status for one in counted.snapshot().served] == [label]


def test_series_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded whatever names come, and no request is lost."""
    monkeypatch.setattr(metrics, "MAX_SERIES", 3)
    counted = Metrics()
    for number in range(10):
        counted.observe(f"route-{number}", "monolith", 200, 0.01, 0, 1)
        counted.count(Event.REFUSED, f"code-{number}")
    snapshot = counted.snapshot()
    assert {one.route: one.bytes_out for one in snapshot.served} == {
        **{f"route-{number}": 1 for number in range(3)},
        "other": 7,
    }
    assert sum(one.value for one in snapshot.tallies) == 10
    assert len(snapshot.tallies) == 4


def test_requests_of_routes_that_are_gone_are_forgotten() -> None:
    """What was answered without a route or an upstream stays."""
    counted = Metrics()
    for route, upstream in (("old", "a"), ("new", "gone"), ("new", "a"), ("", ""), ("new", "")):
        counted.observe(route, upstream, 200, 0.01, 0, 0)
    counted.keep({"new"}, {"a"})
    left = {(one.route, one.upstream) for one in counted.snapshot().served}
    assert left == {("new", "a"), ("", ""), ("new", "")}


def test_open_connections_are_those_accepted_less_those_closed() -> None:
    """By listener, over all workers."""
    counted = Metrics()
    for _ in range(3):
        counted.count(Event.CONNECTION_ACCEPTED, "0.0.0.0:8000")
    counted.count(Event.CONNECTION_CLOSED, "0.0.0.0:8000", "idle")
    both = merge([counted.snapshot(), counted.snapshot()])
    assert both.connections() == {"0.0.0.0:8000": 4}


def test_a_snapshot_survives_the_way_to_another_process() -> None:
    """Workers send it as msgpack."""
    counted = _counted([("orders", "monolith", 200, 0.004, 10, 20)])
    counted.count(Event.RETRIED, "monolith", "connect")
    worker = _worker(1, counted)
    sent = msgspec.msgpack.encode(worker)
    assert msgspec.msgpack.decode(sent, type=WorkerSnapshot) == worker


def test_prometheus_reads_requests_and_durations() -> None:
    """Counters by status; one cumulative histogram for each route and upstream."""
    counted = _counted([("orders", "svc", 200, 0.0007, 5, 7), ("orders", "svc", 503, 0.2, 1, 2)])
    families = _families(_worker(0, counted), _worker(1, counted))
    requests = _values(families["ficus_proxy_requests"])
    assert requests == {("orders", "200", "svc"): 2, ("orders", "503", "svc"): 2}
    assert _values(families["ficus_proxy_response_bytes"]) == {("orders", "svc"): 18}
    samples = families["ficus_proxy_request_seconds"].samples
    buckets = {one.labels["le"]: one.value for one in samples if one.name.endswith("_bucket")}
    assert (buckets["0.0005"], buckets["0.001"], buckets["0.25"], buckets["+Inf"]) == (0, 2, 4, 4)
    assert [one.value for one in samples if one.name.endswith("_count")] == [4]
    assert [one.value for one in samples if one.name.endswith("_sum")] == [pytest.approx(0.4014)]


def test_prometheus_reads_whatever_a_label_holds() -> None:
    """Quotes, backslashes and line ends are escaped, and large numbers stay exact."""
    odd = 'a "quoted" name\\with\nall = {of}, it'
    counted = _counted([(odd, "svc", 200, 0.01, 1 << 50, 0)])
    families = _families(_worker(0, counted))
    assert _values(families["ficus_proxy_requests"]) == {(odd, "200", "svc"): 1}
    assert _values(families["ficus_proxy_request_bytes"]) == {(odd, "svc"): 1 << 50}
    by_route = {one.labels["route"] for one in families["ficus_proxy_request_seconds"].samples}
    assert by_route == {odd}


def test_many_routes_are_still_one_family() -> None:
    """Histograms are rendered in slices; Prometheus refuses a name that comes twice."""
    counted = _counted([(f"route-{n}", "svc", 200, 0.01, 0, 0) for n in range(35)])
    samples = _families(_worker(0, counted))["ficus_proxy_request_seconds"].samples
    assert len([one for one in samples if one.name.endswith("_count")]) == 35


def test_every_family_is_named_and_explained() -> None:
    """One prefix, a HELP text, and events without labels are there before they happen."""
    families = _families(_worker(0, Metrics()))
    assert all(name.startswith("ficus_proxy_") for name in families)
    assert all(family.documentation for family in families.values())
    assert _values(families["ficus_proxy_table_swaps"]) == {(): 0}


def _member(**changes: object) -> MemberSnapshot:
    values: dict[str, object] = {
        "address": "10.0.0.1:80",
        "weight": 1,
        "inflight": 2,
        "healthy": True,
        "checked": True,
        "draining": False,
        "ejected_seconds": 0.0,
        "breaker": "closed",
        "consecutive_failures": 0,
        "requests": 5,
        "failed": 0,
        "open": 4,
        "idle": 3,
    }
    return MemberSnapshot(**{**values, **changes})


def test_instances_show_the_worst_that_a_worker_sees() -> None:
    """Numbers are added up, but one worker's open breaker is not hidden by the other's."""
    seen = [
        {"svc": UpstreamSnapshot(members=(_member(),), inflight=2)},
        {
            "svc": UpstreamSnapshot(
                members=(_member(healthy=False, breaker="open", ejected_seconds=3.0),),
                inflight=1,
                panic=True,
            )
        },
    ]
    workers = [_worker(n, Metrics(), upstreams=one) for n, one in enumerate(seen)]
    families = _families(*workers)
    key = ("10.0.0.1:80", "svc")
    values = {
        name: _values(families[f"ficus_proxy_instance_{name}"])[key]
        for name in ("inflight", "idle_connections", "healthy", "ejected", "breaker")
    }
    assert values == {
        "inflight": 4, "idle_connections": 6, "healthy": 0, "ejected": 1, "breaker": 2
    }  # fmt: skip
    assert _values(families["ficus_proxy_upstream_inflight"]) == {("svc",): 3}
    assert _values(families["ficus_proxy_upstream_panic"]) == {("svc",): 1}


def test_capabilities_show_their_phase() -> None:
    """One of the phases is 1; percent, epoch and held beside it."""
    document = msgspec.convert(
        {
            "version": 1,
            "listen": [{"address": "127.0.0.1:0"}],
            "routes": [{"name": "orders", "prefix": "/orders", "capability": "orders"}],
            "capabilities": {
                "orders": {
                    "monolith": "m",
                    "service": "s",
                    "phase": "canary",
                    "percent": 25,
                    "epoch": 3,
                    "held": True,
                }
            },
        },
        Document,
    )
    families = _families(_worker(0, Metrics()), document=document)
    phases = _values(families["ficus_proxy_capability_phase"])
    assert [phase for (_, phase), value in phases.items() if value] == ["canary"]
    shown = [
        _values(families[f"ficus_proxy_capability_{name}"])[("orders",)]
        for name in ("percent", "epoch", "held")
    ]
    assert shown == [25, 3, 1]
