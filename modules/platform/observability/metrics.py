"""Prometheus metrics of requests; other parts declare their own beside their code."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

REQUESTS = Counter("ficus_requests_total", "Requests served.", ["method", "route", "status"])
DURATION = Histogram(
    "ficus_request_seconds",
    "Time to serve a request.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request under its route (the pattern, never the path)."""
    REQUESTS.labels(method, route, str(status)).inc()
    DURATION.labels(method, route).observe(seconds)
