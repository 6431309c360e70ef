"""What the control plane's own tables say, in one short session.

Of psycopg and not of Django's pool: a pool whose connections are all taken would keep the scrape,
and nothing else tells then what is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from modules.extraction.auditing import Outcome
from modules.extraction.metrics import figures
from modules.extraction.metrics.figures import Said
from modules.extraction.owed import KINDS
from modules.extraction.phases import Phase, Standing
from modules.platform.databases.roles import login

ALIAS = "extraction"
WITHIN = "SET statement_timeout = '1500ms'"
_STANDINGS = """
SELECT module, phase, percent, epoch, paused, halted FROM extraction.extraction_capability
"""
# As `controlling` has it: the two keys of an advisory lock are unsigned numbers here.
_CONTROLLED = """
SELECT m.name FROM unnest(%s::text[]) AS m (name) WHERE EXISTS (
    SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
      AND l.classid = (hashtext('ficus.extraction')::bigint & 4294967295)::oid
      AND l.objid = (hashtext(m.name)::bigint & 4294967295)::oid)
"""
_STEPS = """
SELECT module, CASE WHEN ended_at IS NULL THEN '' ELSE outcome END, count(*),
       extract(epoch FROM clock_timestamp() - min(started_at))::float8
FROM extraction.extraction_step GROUP BY 1, 2
"""
_SWAPS = """
SELECT module, kind, extract(epoch FROM made_at)::float8,
       CASE WHEN jsonb_typeof(body -> 'pause_ms') = 'number'
            THEN (body ->> 'pause_ms')::float8 / 1000 END
FROM extraction.extraction_receipt WHERE kind = ANY (%s) ORDER BY id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Where each module stands, and what is told of that."""

    standings: Mapping[str, Standing]
    said: tuple[Said, ...]


def read_record(modules: Sequence[str]) -> Record:
    """All of ``modules``, also those that were never touched. Raises psycopg's errors."""
    with login(ALIAS) as connection:
        connection.execute(WITHIN)
        standings = _standings(connection, modules)
        said = (
            *(one for module, standing in standings.items() for one in _of(module, standing)),
            *_controlled(connection, modules),
            *_steps(connection, modules),
            *_swaps(connection, modules),
        )
    return Record(standings=standings, said=said)


def _standings(connection: psycopg.Connection[Any], modules: Sequence[str]) -> dict[str, Standing]:
    known = {
        module: Standing(
            phase=Phase(phase), percent=percent, epoch=epoch, paused=paused, halted=halted
        )
        for module, phase, percent, epoch, paused, halted in connection.execute(_STANDINGS)
    }
    return {module: known.get(module, Standing()) for module in modules}


def _of(module: str, standing: Standing) -> Iterator[Said]:
    for phase in Phase:
        yield figures.PHASE.of(module, phase.value, value=phase is standing.phase)
    yield figures.PERCENT.of(module, value=standing.percent)
    yield figures.EPOCH.of(module, value=standing.epoch)
    yield figures.PAUSED.of(module, value=standing.paused)
    yield figures.HALTED.of(module, value=bool(standing.halted))


def _controlled(connection: psycopg.Connection[Any], modules: Sequence[str]) -> Iterator[Said]:
    found = {name for (name,) in connection.execute(_CONTROLLED, [list(modules)])}
    for module in modules:
        yield figures.CONTROLLED.of(module, value=module in found)


def _steps(connection: psycopg.Connection[Any], modules: Sequence[str]) -> Iterator[Said]:
    """Every outcome is there from the beginning: ``increase`` does not see a first appearance."""
    found = {
        (module, outcome): (count, age)
        for module, outcome, count, age in connection.execute(_STEPS)
    }
    for module in modules:
        count, age = found.get((module, ""), (0, 0.0))
        yield figures.OPEN_STEPS.of(module, value=count)
        yield figures.OPEN_STEP_AGE.of(module, value=age)
        for outcome in Outcome:
            count, _ = found.get((module, outcome.value), (0, 0.0))
            yield figures.STEPS.of(module, outcome.value, value=count)


def _swaps(connection: psycopg.Connection[Any], modules: Sequence[str]) -> Iterator[Said]:
    """A pause that nobody knows (its controller died) is no observation."""
    pauses, last = defaultdict[tuple[str, str], list[float]](list), dict[tuple[str, str], float]()
    for module, kind, at, pause in connection.execute(_SWAPS, [list(KINDS)]):
        last[module, kind] = at
        pauses[module, kind] += [] if pause is None else [pause]
    for module in modules:
        for kind in KINDS:
            seen = pauses[module, kind]
            yield figures.PAUSE.of(module, kind, value=seen)
            if seen:
                yield figures.LAST_PAUSE.of(module, kind, value=seen[-1])
            if (module, kind) in last:
                yield figures.LAST_SWAP.of(module, kind, value=last[module, kind])
