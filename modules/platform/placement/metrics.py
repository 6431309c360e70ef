"""Placement in numbers, for Prometheus. Gauges are set by the thread that keeps the table."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

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
    "Calls of a module whose work is divided, by who answered",
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
    "1 when the front door divides a module's requests as the table says",
    ["module", "door"],
    multiprocess_mode="mostrecent",
)
SILENT = Gauge(
    "ficus_placement_silent_seconds",
    "For how long the service's workers have not answered; 0 when they do, or nothing is placed",
    ["module"],
    multiprocess_mode="mostrecent",
)
