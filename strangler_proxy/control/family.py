"""A family of metrics and its text, as Prometheus reads it (text format 0.0.4).

A front door renders what its workers have counted and has no instruments of its own: of a client
library it would use nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_IN_TEXT = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABELS = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Sample(NamedTuple):
    """One value. ``labels`` are in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    def text(self) -> str:
        """Its line."""
        if not self.labels:
            return f"{self.name} {number(self.value)}\n"
        shown = ",".join([f'{name}="{value.translate(_IN_LABELS)}"' for name, value in self.labels])
        return f"{self.name}{{{shown}}} {number(self.value)}\n"


class Family:
    """A counter, gauge or histogram. ``name`` is without the ``_total`` that counters get."""

    def __init__(self, kind: str, name: str, documentation: str, labels: Sequence[str]) -> None:
        self.name = name
        self.type = kind
        self.documentation = documentation
        self.labels = tuple(labels)
        self.samples: list[Sample] = []
        self._shown = f"{name}_total" if kind == "counter" else name

    def add(self, values: Sequence[str], value: float) -> None:
        """One sample; ``values`` are those of the labels."""
        self.samples.append(Sample(self._shown, self._named(values), value))

    def add_histogram(
        self, values: Sequence[str], bounds: Sequence[float], counts: Iterable[int], total: float
    ) -> None:
        """The samples of a histogram: ``counts`` of its buckets, the last of which has no bound,
        and the sum of what was observed."""
        shown = (*map(number, bounds), "+Inf")
        reached = 0
        for bound, reached in zip(shown, accumulate(counts), strict=True):
            labels = self._named(values, ("le", bound))
            self.samples.append(Sample(f"{self.name}_bucket", labels, reached))
        self.samples.append(Sample(f"{self.name}_count", self._named(values), reached))
        self.samples.append(Sample(f"{self.name}_sum", self._named(values), total))

    def _named(self, values: Sequence[str], *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((*zip(self.labels, values, strict=True), *more)))

    def head(self) -> str:
        """What stands before its samples, once."""
        documentation = self.documentation.translate(_IN_TEXT)
        return f"# HELP {self._shown} {documentation}\n# TYPE {self._shown} {self.type}\n"


def number(value: float) -> str:
    """As Prometheus and Go write it; here it is always finite."""
    return repr(float(value))
