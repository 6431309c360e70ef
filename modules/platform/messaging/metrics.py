"""The bus in numbers, for Prometheus. Gauges are set by the relay, counters where it happens."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PUBLISHED = Counter("ficus_bus_published_total", "Events stored in the outbox", ["source"])
SENT = Counter("ficus_bus_sent_total", "Events given to the carrier", ["source", "consumer"])
RESENT = Counter(
    "ficus_bus_resends_total", "Batches sent again for want of a receipt", ["source", "consumer"]
)
HANDLED = Counter(
    "ficus_bus_handled_total", "Events whose handlers committed", ["source", "consumer"]
)
PARKED = Counter(
    "ficus_bus_failures_total",
    "Events put aside or failing again, by what became of them",
    ["source", "consumer", "state"],
)
GAPS = Counter("ficus_bus_gaps_total", "Batches dropped for a gap", ["source", "consumer"])
LATENCY = Histogram(
    "ficus_bus_latency_seconds",
    "From publication to handled and committed",
    ["source", "consumer"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300),
)
LAG_ROWS = Gauge(
    "ficus_bus_lag_events",
    "Events of interest not yet acknowledged",
    ["source", "consumer"],
    multiprocess_mode="mostrecent",
)
LAG_SECONDS = Gauge(
    "ficus_bus_lag_seconds",
    "Age of the oldest event not yet acknowledged",
    ["source", "consumer"],
    multiprocess_mode="mostrecent",
)
LETTERS = Gauge(
    "ficus_bus_parked_events",
    "Events put aside and not settled",
    ["consumer", "state"],
    multiprocess_mode="mostrecent",
)
TIMERS_OVERDUE = Gauge(
    "ficus_bus_timers_overdue",
    "Timers past their time, or given up",
    ["module"],
    multiprocess_mode="mostrecent",
)
TIMERS = Counter("ficus_bus_timers_total", "Timers that fired", ["module", "outcome"])
QUEUE_DEPTH = Gauge(
    "ficus_bus_queue_depth",
    "Messages in a queue of the broker's that no worker has taken",
    ["queue"],
    multiprocess_mode="mostrecent",
)
