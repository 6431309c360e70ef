"""Discovery in numbers, for Prometheus. Set at every poll, by the process that polls."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

INSTANCES = Gauge(
    "ficus_discovery_instances",
    "Instances known and fit to be asked",
    ["source", "module"],
    multiprocess_mode="mostrecent",
)
UNFIT = Gauge(
    "ficus_discovery_incompatible_instances",
    "Live instances that are not asked because of the contract they serve",
    ["source", "module"],
    multiprocess_mode="mostrecent",
)
AGE = Gauge(
    "ficus_discovery_poll_age_seconds",
    "Since the source was last asked with success",
    ["source"],
    multiprocess_mode="mostrecent",
)
EJECTED = Counter("ficus_discovery_ejections_total", "Instances left alone for failing", ["module"])
