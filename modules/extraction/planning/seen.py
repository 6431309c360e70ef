"""What the running host has counted of a module, from its ``/metrics``."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
from prometheus_client.parser import text_string_to_metric_families

from modules.extraction.planning.plans import Seen
from modules.platform.keys.authorities import authorities

PATIENCE = 5.0  # seconds
Samples = tuple[tuple[str, dict[str, str], float], ...]


def samples_at(url: str) -> Samples:
    """Name, labels and value of each sample. Raises httpx's errors, ValueError for other text."""
    # trust_env: a proxy for the world outside must not be asked for the house's own.
    with httpx.Client(timeout=PATIENCE, trust_env=False, verify=authorities(url)) as client:
        answer = client.get(url).raise_for_status()
    return tuple(_samples(answer.text))


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            yield one.name, one.labels, one.value


def seen_of(module: str, samples: Samples, *, source: str) -> Seen:
    """The module's part of it."""
    requests = _sum(samples, "ficus_requests_total", _route_of(module))
    handled = "ficus_bus_handled_total"
    served = _sum(samples, "ficus_rpc_served_total", {"call": f"{module}."})
    return Seen(
        requests=requests,
        events_in=_sum(samples, handled, {"consumer": module}),
        events_out=_sum(samples, "ficus_bus_published_total", {"source": module}),
        calls=served,
        source=source,
    )


def _route_of(module: str) -> dict[str, str]:
    return {"route": f"api/v1/{module}/"}


def _sum(samples: Samples, name: str, starts: dict[str, str]) -> int:
    """Of the samples whose labels begin with what ``starts`` says."""
    return round(
        sum(
            value
            for found, labels, value in samples
            if found == name
            and all(labels.get(k, "").lstrip("/").startswith(v) for k, v in starts.items())
        )
    )
