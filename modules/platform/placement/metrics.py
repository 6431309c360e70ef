"""Placement in numbers, for Prometheus. Gauges are set by the thread that keeps the table."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PERCENT = Gauge(
    "ficus_placement_percent",
    "Share of the module's work that is the service's, as this process knows it",
    ["module"],
    multiprocess_mode="mostrecent",
)
REVISION = Gauge(
    "ficus_placement_revision",
    "Revision of the module's placement as known here; of the processes that go by it the lowest",
    ["module"],  # processes that never ask have none, and do not count
    multiprocess_mode="livemin",
)
AGE = Gauge(
    "ficus_placement_age_seconds",
    "Since the table was last read with success; of several processes the oldest",
    multiprocess_mode="livemax",
)
CALLS = Counter(
    "ficus_placement_calls_total",
    "Calls of a module whose work is divided, or moves, by who was asked",
    ["module", "side"],
)
# Whether both sides are alike is judged by these. Bounds as the front door has them.
CALL_SECONDS = Histogram(
    "ficus_placement_call_seconds",
    "Time of a call of a module whose work is divided, or moves, by who was asked",
    ["module", "side"],
    buckets=(
        *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
        *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    ),
)
CALLS_FAILED = Counter(
    "ficus_placement_calls_failed_total",
    "Those that found nobody, or ended in a fault instead of an answer or a refusal",
    ["module", "side"],
)
FALLBACKS = Counter(
    "ficus_placement_fallbacks_total",
    "Calls meant for the service that found nobody and were answered here",
    ["module"],
)
BATCHES = Counter(
    "ficus_placement_batches_total",
    "Batches of events given to workers of a module whose work is divided, by whose",
    ["module", "side"],
)
DOORS = Gauge(
    "ficus_placement_front_door_follows",
    "1 when the front door sends a module's requests as the table says, or whoever has its data",
    ["module", "door"],
    multiprocess_mode="mostrecent",
)
SILENT = Gauge(
    "ficus_placement_silent_seconds",
    "For how long the service's workers have not answered; 0 when they do, or nothing is placed",
    ["module"],
    multiprocess_mode="mostrecent",
)
