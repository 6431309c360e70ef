"""Asks everybody at each scrape, at once and within a short time; who is silent is named.

A scrape is never slower than ``PATIENCE`` and never fails: what cannot be read is absent from it,
and ``ficus_extraction_unread`` is 1. A server that hangs costs that time once; until it answers,
later scrapes wait for it no more, and it holds one thread.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from modules.extraction import targets
from modules.extraction.dashboard.keeping import Kept
from modules.extraction.metrics import figures
from modules.extraction.metrics.ages import Ages
from modules.extraction.metrics.databases import read_both, read_side, sides_of
from modules.extraction.metrics.figures import Said
from modules.extraction.metrics.recorded import Record, read_record
from modules.extraction.modules_here import movable_modules
from modules.extraction.phases import INSTALLED, Phase, Standing
from modules.extraction.routing.late import late_doors
from modules.extraction.shadowing.differences import states_of
from modules.extraction.shadowing.judging import State as Taken

log = structlog.get_logger(__name__)

PATIENCE: Final = 2.0  # seconds; a scraper gives up after ten
GOOD_FOR: Final = 5.0  # seconds: two scrapers cost as much as one
# Times as long: all that shadowing has kept is summed up, some hundred milliseconds after a week.
DIFFERENCES_GOOD_FOR: Final = 12
RECORD, DOORS, DIFFERENCES = "record", "doors", "differences"  # sources, beside the databases
MONOLITH, SERVICE, BOTH = "monolith", "service", "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One that is asked about a module. ``seconds``: for how long its answer is good."""

    module: str
    name: str
    ask: Callable[[], Iterable[Said]]
    seconds: float

    def answer(self) -> tuple[Said, ...]:
        """All that it says, or what it raises and nothing."""
        return tuple(self.ask())


class Extractions(Collector):
    """All modules that may be moved. One for each process that answers scrapes."""

    def __init__(self, *, patience: float = PATIENCE, seconds: float = GOOD_FOR) -> None:
        self._patience, self._seconds = patience, seconds
        self._kept, self._ages = Kept(patience=patience), Ages()
        self._troubles: dict[tuple[str, str], str] = {}

    def collect(self) -> Iterator[Metric]:
        """Every family, also those of which there is nothing to say now."""
        said = defaultdict[str, list[Said]](list)
        for one in self._said():
            said[one.name].append(one)
        for figure in figures.FIGURES:
            yield figure.family(said[figure.name])

    def _said(self) -> Iterator[Said]:
        modules, until = movable_modules(), time.monotonic() + self._patience
        begun = self._kept.begin(RECORD, self._seconds, partial(read_record, modules))
        record: Record | None = self._answer("", RECORD, begun, until)
        for module in modules:
            yield figures.UNREAD.of(module, RECORD, value=record is None)
        if record is None:
            return
        yield from record.said
        sources = [
            one
            for module, standing in record.standings.items()
            for one in self._of(module, standing)
        ]
        # All are asked before anybody is waited for.
        asked = [
            (one, self._kept.begin((one.name, one.module), one.seconds, one.answer))
            for one in sources
        ]
        for source, answering in asked:
            answer = self._answer(source.module, source.name, answering, until)
            yield figures.UNREAD.of(source.module, source.name, value=answer is None)
            yield from answer or ()

    def _of(self, module: str, standing: Standing) -> Iterator[Source]:
        """Who knows something of a module that stands there."""
        source = partial(Source, module=module, seconds=self._seconds)
        if standing.phase is not Phase.MONOLITH:
            yield source(name=DOORS, ask=lambda: _of_doors(module, standing))
        if standing.phase not in INSTALLED:
            return
        seldom = self._seconds * DIFFERENCES_GOOD_FOR
        yield source(name=DIFFERENCES, ask=lambda: _of_differences(module), seconds=seldom)
        yield source(name=MONOLITH, ask=lambda: _of_side(module, MONOLITH))
        yield source(name=SERVICE, ask=lambda: _of_side(module, SERVICE))
        yield source(name=BOTH, ask=lambda: _of_both(module, self._ages))

    def _answer(
        self, module: str, source: str, begun: tuple[float, Future[Any]], until: float
    ) -> Any:
        """None where there is none in time; why is logged once."""
        began, future = begun
        trouble, found = "", None
        try:
            # One that an earlier scrape has waited for in vain is waited for no more.
            left = min(began + self._patience, until) - time.monotonic()
            found = future.result(timeout=max(0.0, left))
        except TimeoutError:
            trouble = f"no answer within {self._patience:g} s"
        except Exception as error:  # whatever it is: the other numbers are worth having
            trouble = str(error).strip().partition("\n")[0] or repr(error)
        if trouble and trouble != self._troubles.get((module, source)):
            log.warning("extraction.unread", module=module, source=source, error=trouble)
        self._troubles[module, source] = trouble
        return found


def _of_doors(module: str, standing: Standing) -> Iterator[Said]:
    yield figures.DOORS_LATE.of(module, value=sum(1 for _ in late_doors(module, standing)))


def _of_differences(module: str) -> Iterator[Said]:
    found = Counter(states_of(module).values())
    for state in Taken:
        yield figures.DIFFERENCES.of(module, state.value, value=found[state])


def _of_side(module: str, name: str) -> Iterator[Said]:
    ours, theirs = sides_of(module, _target(module))
    return read_side(module, ours if name == MONOLITH else theirs)


def _of_both(module: str, ages: Ages) -> Iterator[Said]:
    return read_both(module, *sides_of(module, _target(module)), ages)


def _target(module: str) -> targets.Target:
    found = targets.known(module)
    if found is None:
        raise LookupError(f"it is not known where the service's database of {module} is")
    return found
