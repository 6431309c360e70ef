"""What is told of each module: names, meanings and labels. docs/extraction-metrics.md has the same.

Labels have few values: modules that may be moved, phases, states, sides. Who did something, and
why, is in the record, never in a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.utils import floatToGoString

# Seconds. A swap takes some tens of milliseconds; front doors give commands up after five seconds.
PAUSES: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Kind(StrEnum):
    """Prometheus' types."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Said(NamedTuple):
    """One value of a figure; of a histogram all that was observed."""

    name: str
    labels: tuple[str, ...]
    value: float | Sequence[float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric."""

    name: str
    meaning: str
    labels: tuple[str, ...]
    kind: Kind = Kind.GAUGE

    def of(self, *labels: str, value: float | Sequence[float]) -> Said:
        """Its value for these labels."""
        if len(labels) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {', '.join(self.labels)}")
        return Said(self.name, labels, value)

    def family(self, said: Iterable[Said]) -> Metric:
        """As Prometheus reads it."""
        match self.kind:
            case Kind.HISTOGRAM:
                return self._histogram(said)
            case Kind.COUNTER:
                counter = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
                for one in said:
                    counter.add_metric(one.labels, _number(one))
                return counter
            case Kind.GAUGE:
                gauge = GaugeMetricFamily(self.name, self.meaning, labels=self.labels)
                for one in said:
                    gauge.add_metric(one.labels, _number(one))
                return gauge

    def _histogram(self, said: Iterable[Said]) -> Metric:
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        for one in said:
            seen = [one.value] if isinstance(one.value, float | int) else one.value
            family.add_metric(one.labels, _buckets(seen), sum(seen))
        return family


def _number(said: Said) -> float:
    if isinstance(said.value, float | int):
        return float(said.value)
    raise TypeError(f"{said.name} has one value")


def _buckets(seen: Sequence[float]) -> list[tuple[str, float]]:
    """How many are at most that, by the bound as Prometheus writes it."""
    bounds = (*PAUSES, float("inf"))
    below = (float("-inf"), *PAUSES)
    counts = (
        sum(low < one <= high for one in seen) for low, high in zip(below, bounds, strict=True)
    )
    return list(zip(map(floatToGoString, bounds), accumulate(counts), strict=True))


UNREAD = Figure(
    "ficus_extraction_unread",
    "1 when this could not be read for this scrape: what it knows is absent then.",
    ("module", "source"),
)

# ---------------------------------------------------------------- from the record

PHASE = Figure("ficus_extraction_phase", "1 for the phase on record.", ("module", "phase"))
PERCENT = Figure(
    "ficus_extraction_percent", "Share of the work that is the service's, on record.", ("module",)
)
EPOCH = Figure("ficus_extraction_epoch", "Of the authority over the data; only grows.", ("module",))
PAUSED = Figure("ficus_extraction_paused", "1 while copy and streams stand still.", ("module",))
HALTED = Figure(
    "ficus_extraction_canary_halted", "1 while a canary does not go on by itself.", ("module",)
)
CONTROLLED = Figure(
    "ficus_extraction_controlled", "1 while a controller is at the module.", ("module",)
)
OPEN_STEPS = Figure("ficus_extraction_open_steps", "Steps that have not ended.", ("module",))
OPEN_STEP_AGE = Figure(
    "ficus_extraction_open_step_age_seconds",
    "Since the oldest step began that has not ended; 0 where none is open.",
    ("module",),
)
STEPS = Figure(
    "ficus_extraction_steps_total",
    "Steps on record that have ended, by how.",
    ("module", "outcome"),
    Kind.COUNTER,
)
PAUSE = Figure(
    "ficus_extraction_swap_pause_seconds",
    "How long writes waited in each swap, by the receipts.",
    ("module", "kind"),
    Kind.HISTOGRAM,
)
LAST_PAUSE = Figure(
    "ficus_extraction_last_swap_pause_seconds",
    "How long writes waited in the last swap whose receipt says so.",
    ("module", "kind"),
)
LAST_SWAP = Figure(
    "ficus_extraction_last_swap_timestamp_seconds",
    "When the last receipt of a swap was written.",
    ("module", "kind"),
)

# ---------------------------------------------------------------- from the two databases

STATE = Figure(
    "ficus_extraction_databases", "1 for what both databases say together.", ("module", "state")
)
FENCE_AGE = Figure(
    "ficus_extraction_fence_age_seconds",
    "Since the fence was set that stands in a side's database; 0 where none stands.",
    ("module", "side"),
)
LAG_ROWS = Figure(
    "ficus_extraction_lag_rows",
    "Changes that wait to be carried, counted up to 100,000.",
    ("module",),
)
LAG_SECONDS = Figure(
    "ficus_extraction_lag_seconds",
    "At least so long the oldest change has waited; 0 while all of the last scrape is carried.",
    ("module",),
)
CARRIED = Figure("ficus_extraction_carried", "1 while somebody carries the changes.", ("module",))
WATCHED = Figure(
    "ficus_extraction_watched", "1 while a watch mends what controllers leave.", ("module",)
)
COPIED = Figure(
    "ficus_extraction_copy_rows", "Rows of the first copy that are on the other side.", ("module",)
)
TO_COPY = Figure(
    "ficus_extraction_copy_expected_rows",
    "Rows that the first copy will have, as far as PostgreSQL can guess.",
    ("module",),
)
TABLES = Figure(
    "ficus_extraction_copy_tables", "Tables, by how far their first copy is.", ("module", "state")
)
UNEQUAL = Figure(
    "ficus_extraction_unequal_tables",
    "Tables whose sums say that the copy is not what was sent, by the stream.",
    ("module", "direction"),
)
SCRUB_AGE = Figure(
    "ficus_extraction_scrub_age_seconds",
    "Since the last clean look at every row began; absent if differences were found later.",
    ("module",),
)
SCRUB_DIFFERENCES = Figure(
    "ficus_extraction_scrub_differences", "Rows that the last look at every row found.", ("module",)
)

# ---------------------------------------------------------------- from elsewhere

DIFFERENCES = Figure(
    "ficus_extraction_differences",
    "Ways in which both sides answered differently, by how they are taken.",
    ("module", "state"),
)
DOORS_LATE = Figure(
    "ficus_extraction_front_doors_late",
    "Front doors that are not as the authority stands: away, otherwise, or holding commands.",
    ("module",),
)

FIGURES: Final = (
    *(UNREAD, PHASE, PERCENT, EPOCH, PAUSED, HALTED, CONTROLLED, OPEN_STEPS, OPEN_STEP_AGE),
    *(STEPS, PAUSE, LAST_PAUSE, LAST_SWAP, STATE, FENCE_AGE, LAG_ROWS, LAG_SECONDS, CARRIED),
    *(WATCHED, COPIED, TO_COPY, TABLES, UNEQUAL, SCRUB_AGE, SCRUB_DIFFERENCES, DIFFERENCES),
    DOORS_LATE,
)
