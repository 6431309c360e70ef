"""What a host registers: loads the rest at the first scrape.

A worker, a relay or a command is never scraped, and starts a tenth of a second sooner without.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from prometheus_client.core import Metric
from prometheus_client.registry import Collector


class AtFirstScrape(Collector):
    """All that ``collecting`` finds out."""

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from _extractions().collect()


@cache
def _extractions() -> Collector:
    from modules.extraction.metrics.collecting import Extractions

    return Extractions()
