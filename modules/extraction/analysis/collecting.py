"""The numbers of an analysis: from the front doors' own metrics, and from those of calls.

Requests: each door of ``PLACEMENT_FRONT_DOORS`` says which of its routes belong to the module, to
which upstreams they lead, and what it counted there by status and duration. A request that the
service could not answer and the monolith did instead is the service's failure.

Calls: what this host's processes have counted of their calls of the module (``placement.metrics``),
in their folder below ``FICUS_HOME``, or at an address.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx
from django.conf import settings
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from modules.extraction.analysis.judging import Compared
from modules.extraction.analysis.readings import (
    CALLS,
    CANARY,
    MONOLITH,
    REQUESTS,
    Counted,
    Counters,
    key,
)
from modules.extraction.planning.seen import samples_at
from modules.extraction.routing.doors import Door, DoorAway, front_doors

Sample = tuple[str, Mapping[str, str], float]
OURS: Final = "calls of this host"
FAILED = "failed"


def collected(module: str, metrics: str = "") -> Counted:
    """All counters now. ``metrics`` is the address of a host's ``/metrics``, instead of the folder.

    Raises nothing for a source that is away: it is named in ``troubles``.
    """
    sources: dict[str, Counters] = {}
    troubles = []
    with front_doors() as doors:
        for door in doors:
            try:
                sources[door.url] = of_door(door, module)
            except (DoorAway, ValueError) as error:
                troubles.append(str(error))
    try:
        found = _samples_of_calls(metrics)
    except (httpx.HTTPError, ValueError) as error:
        troubles.append(f"{metrics} cannot be read: {error}")
    else:
        if found is not None:
            sources[OURS] = of_calls(found, module)
    return Counted(sources=sources, troubles=tuple(troubles))


def of_door(door: Door, module: str) -> Counters:
    """What one front door has counted of the module's routes. Raises DoorAway, ValueError."""
    document = door.document()
    said = document.get("capabilities", {}).get(module, {})
    sides = {said.get("service"): CANARY, said.get("monolith"): MONOLITH}
    routes = {one["name"] for one in document.get("routes", ()) if one.get("capability") == module}
    found: defaultdict[str, float] = defaultdict(float)
    for name, labels, value in _samples(door.metrics()):
        if labels.get("route") in routes:
            for what in _of_requests(name, labels, sides):
                found[what] += value
    return found


def _of_requests(
    name: str, labels: Mapping[str, str], sides: Mapping[str | None, str]
) -> Iterator[str]:
    """The counters that a sample of a door adds to."""
    side = sides.get(labels.get("upstream", ""))
    if name == "ficus_proxy_fallbacks_total" and labels["kind"] == MONOLITH:
        yield from (key(REQUESTS, CANARY, "done"), key(REQUESTS, CANARY, FAILED))
    elif side is None:
        return
    elif name == "ficus_proxy_requests_total":
        yield key(REQUESTS, side, "done")
        if labels["status"].startswith("5"):
            yield key(REQUESTS, side, FAILED)
    elif name == "ficus_proxy_request_seconds_bucket":
        yield key(REQUESTS, side, "took", labels["le"])


def of_calls(samples: Iterable[Sample], module: str) -> Counters:
    """What this host's processes have counted of their calls of the module."""
    found: defaultdict[str, float] = defaultdict(float)
    sides = {"service": CANARY, "local": MONOLITH}
    for name, labels, value in samples:
        side = sides.get(labels.get("side", ""))
        if labels.get("module") != module or side is None:
            continue
        if name == "ficus_placement_call_seconds_bucket":
            found[key(CALLS, side, "took", labels["le"])] += value
        elif name == "ficus_placement_call_seconds_count":
            found[key(CALLS, side, "done")] += value
        elif name == "ficus_placement_calls_failed_total":
            found[key(CALLS, side, FAILED)] += value
    return found


def differences_since(module: str, since: datetime) -> Compared | None:
    """What shadowing has found since then; None where it has compared nothing."""
    from modules.extraction.shadowing.differences import rate

    found = rate(module, since)
    if not found.compared:
        return None
    return Compared(compared=found.compared, different=found.different)


def _samples_of_calls(metrics: str) -> Iterable[Sample] | None:
    """None where no process of this host keeps numbers."""
    if metrics:
        return samples_at(metrics)
    folder = Path(settings.FICUS_HOME) / "metrics"
    if not folder.is_dir():
        return None
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(folder))
    return tuple(_samples(generate_latest(registry).decode()))


def _samples(text: str) -> Iterator[Sample]:
    """Raises ValueError for what is no Prometheus text."""
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            yield one.name, one.labels, one.value
