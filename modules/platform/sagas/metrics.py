"""Sagas in numbers, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

STEPS = Counter(
    "ficus_saga_steps_total", "Attempts at commands", ["module", "type", "kind", "outcome"]
)
ENDED = Counter("ficus_saga_ended_total", "Sagas that came to rest", ["module", "type", "phase"])
MANUAL = Counter("ficus_saga_manual_total", "Commands left to a person", ["module", "type", "kind"])
OPEN = Gauge(
    "ficus_saga_open", "Sagas not done", ["module", "status"], multiprocess_mode="mostrecent"
)
OLDEST = Gauge(
    "ficus_saga_oldest_seconds",
    "Age of the oldest saga that is not done",
    ["module"],
    multiprocess_mode="mostrecent",
)
