"""The outbox as it grows, for people who watch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from modules.platform.messaging.database import row, rows

_AFTER = """
SELECT id, created_at, type, version, key, event_id, payload::text, headers::text FROM bus_outbox
WHERE id > %s AND id <= bus_head() AND (%s::text IS NULL OR key = %s) ORDER BY id LIMIT 500
"""
_BEFORE = """
SELECT min(id) - 1 FROM (SELECT id FROM bus_outbox
                         WHERE %s::text IS NULL OR key = %s ORDER BY id DESC LIMIT %s) last
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One event of the outbox of ``module``."""

    module: str
    position: int
    at: datetime
    type: str
    key: str
    event_id: UUID
    data: str
    headers: str | None


def last(module: str, count: int, key: str | None = None) -> list[Line]:
    """The last ``count`` events of ``module``, in order; of one key if it is given."""
    found = row(module, _BEFORE, [key, key, count])
    start = 0 if found is None or found[0] is None else int(found[0])
    return _after(module, start, key)


def journey(modules: tuple[str, ...], key: str) -> list[Line]:
    """All retained events of all ``modules`` with that key, by time."""
    lines = [line for module in modules for line in last(module, 500, key)]
    return sorted(lines, key=lambda line: line.at)


def follow(modules: tuple[str, ...], count: int, key: str | None, every: float) -> Iterator[Line]:
    """The last ``count`` events of each module, then what comes, for ever."""
    positions = {}
    for module in modules:
        lines = last(module, count, key)
        positions[module] = lines[-1].position if lines else _head(module)
        yield from lines
    while True:
        for module in modules:
            lines = _after(module, positions[module], key)
            if lines:
                positions[module] = lines[-1].position
            yield from lines
        time.sleep(every)


def _after(module: str, position: int, key: str | None) -> list[Line]:
    return [
        Line(
            module=module,
            position=number,
            at=at,
            type=f"{type_name}.v{version}",
            key=found_key,
            event_id=event_id,
            data=data,
            headers=headers,
        )
        for number, at, type_name, version, found_key, event_id, data, headers in rows(
            module, _AFTER, [position, key, key]
        )
    ]


def _head(module: str) -> int:
    found = row(module, "SELECT bus_head()")
    return int(found[0]) if found else 0
