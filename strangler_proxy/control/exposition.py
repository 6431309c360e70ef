"""Snapshots of the workers as Prometheus text: rendered family by family, in small slices."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from strangler_proxy.config import Document
from strangler_proxy.control.families import families
from strangler_proxy.control.fleet import WorkerSnapshot

SLICE = 150  # samples rendered in one go, well below a millisecond


async def exposition(
    workers: Sequence[WorkerSnapshot], document: Document | None, *, ready: bool
) -> bytes:
    """All metrics, in the text format.

    Requests are served in between: in a single process this runs beside the data path.
    """
    parts: list[str] = []
    for family in families(workers, document, ready=ready):
        parts.append(family.head())
        for start in range(0, max(1, len(family.samples)), SLICE):
            parts += [sample.text() for sample in family.samples[start : start + SLICE]]
            await asyncio.sleep(0)
    return "".join(parts).encode()
