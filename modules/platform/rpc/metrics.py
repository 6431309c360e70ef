"""Calls in numbers, for Prometheus: rate, errors and duration, on both sides."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

SERVED = Counter("ficus_rpc_served_total", "Calls of other hosts, by outcome", ["call", "outcome"])
SERVED_SECONDS = Histogram(
    "ficus_rpc_served_seconds", "Time to answer a call", ["call"], buckets=BUCKETS
)
REFUSED = Counter("ficus_rpc_refused_total", "Calls not begun, by reason", ["reason"])
CALLS = Counter(
    "ficus_rpc_calls_total", "Calls of other hosts made, by outcome", ["call", "outcome"]
)
CALL_SECONDS = Histogram(
    "ficus_rpc_call_seconds", "Duration of a call with all its attempts", ["call"], buckets=BUCKETS
)
RESENT = Counter(
    "ficus_rpc_resent_total", "Times a call was sent again, by cause", ["call", "cause"]
)
CARRIED = Counter(
    "ficus_rpc_carried_total",
    "Attempts of calls that gRPC is chosen for, by how they went",
    ["module", "transport"],
)
OPENED = Counter(
    "ficus_rpc_breaker_opened_total", "Times an instance was left alone for failing", ["module"]
)
REPLAY_AWAY = Counter(
    "ficus_rpc_replay_memory_away_total", "Times Redis could not say whether a token was used"
)
