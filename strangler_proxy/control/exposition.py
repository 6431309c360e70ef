"""Snapshots of the workers as Prometheus text: rendered family by family, in small slices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from strangler_proxy.config import Document
from strangler_proxy.control.families import families
from strangler_proxy.control.fleet import WorkerSnapshot

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SLICE = 150  # samples rendered in one go, well below a millisecond


async def exposition(
    workers: Sequence[WorkerSnapshot], document: Document | None, *, ready: bool
) -> bytes:
    """All metrics, in the text format.

    Requests are served in between: in a single process this runs beside the data path.
    """
    parts: list[bytes] = []
    for family in families(workers, document, ready=ready):
        for start in range(0, max(1, len(family.samples)), SLICE):
            text = generate_latest(_Slice(family, start))
            # HELP and TYPE stand at the head of a family only.
            parts.append(text.split(b"\n", 2)[2] if start else text)
            await asyncio.sleep(0)
    return b"".join(parts)


class _Slice(Collector):
    """A collector of some samples of one family."""

    def __init__(self, family: Metric, start: int) -> None:
        self._slice = Metric(family.name, family.documentation, family.type)
        self._slice.samples = family.samples[start : start + SLICE]

    def collect(self) -> Iterable[Metric]:
        yield self._slice
