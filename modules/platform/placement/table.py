"""The one table, in SQL: read whole, changed by compare and swap, each change with its log row.

A change wakes whoever listens on ``CHANNEL``: PostgreSQL brings the word with the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from modules.platform.placement.errors import PlacementChanged
from modules.platform.placement.placed import HERE, Placed

CHANNEL = "ficus_placement"
ALL = "SELECT module, percent, revision, silent_since IS NULL FROM placement_placement"
# Changes take turns, so that a later revision is also committed later.
_TURN = "SELECT pg_advisory_xact_lock(hashtext('ficus.placement'))"
_SET = """
INSERT INTO placement_placement (module, percent, revision, changed_at, actor, reason)
VALUES (%(module)s, %(percent)s, nextval('placement_revision'), clock_timestamp(),
        %(actor)s, %(reason)s)
ON CONFLICT (module) DO UPDATE SET
    percent = excluded.percent, revision = excluded.revision, changed_at = excluded.changed_at,
    actor = excluded.actor, reason = excluded.reason, silent_since = NULL
RETURNING revision
"""
# Of the share that was found silent, and of no later one.
_SILENT = """
UPDATE placement_placement
SET silent_since = CASE WHEN %(silent)s THEN clock_timestamp() END
WHERE module = %(module)s AND revision = %(revision)s
AND (silent_since IS NOT NULL) <> %(silent)s
RETURNING module
"""
_LOG = """
INSERT INTO placement_change (revision, module, before, after, changed_at, actor, reason)
VALUES (%(revision)s, %(module)s, %(before)s, %(percent)s, clock_timestamp(),
        %(actor)s, %(reason)s)
"""
_ENTRIES = """
SELECT module, percent, revision, changed_at, actor, reason, silent_since
FROM placement_placement
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A row for people."""

    module: str
    percent: int
    revision: int
    changed_at: datetime
    actor: str
    reason: str
    silent_since: datetime | None


def placements() -> dict[str, Placed]:
    """All that were ever placed."""
    return read(_rows(ALL, {}))


def read(rows: Sequence[Sequence[Any]]) -> dict[str, Placed]:
    """The rows of ``ALL``."""
    return {
        module: Placed(percent=percent, revision=revision, attended=attended)
        for module, percent, revision, attended in rows
    }


def entries() -> dict[str, Entry]:
    """The same with who and why."""
    found = (Entry(**dict(zip(_FIELDS, row, strict=True))) for row in _rows(_ENTRIES, {}))
    return {one.module: one for one in found}


_FIELDS = ("module", "percent", "revision", "changed_at", "actor", "reason", "silent_since")


def swap(
    module: str, *, percent: int, actor: str, reason: str, expected: int | None = None
) -> tuple[Placed, Placed]:
    """Place ``module``; how it stood and how it stands. The same share again changes nothing.

    Raises PlacementChanged when ``expected`` is given and is not the revision that stands.
    """
    with transaction.atomic(using=DEFAULT_DB_ALIAS):
        _rows(_TURN, {})
        before = placements().get(module, HERE)
        if expected not in (None, before.revision):
            raise PlacementChanged(module=module, expected=expected or 0, actual=before.revision)
        if before.percent == percent:
            return before, before
        said = {"module": module, "percent": percent, "actor": actor, "reason": reason}
        [(revision,)] = _rows(_SET, said)
        _done(_LOG, said | {"revision": revision, "before": before.percent})
        _tell(module)
        return before, Placed(percent=percent, revision=revision)


def note_silence(module: str, *, revision: int, silent: bool) -> bool:
    """Write down whether the service's workers are silent at ``revision``; whether that is news."""
    with transaction.atomic(using=DEFAULT_DB_ALIAS):
        said = {"module": module, "revision": revision, "silent": silent}
        is_news = bool(_rows(_SILENT, said))
        if is_news:
            _tell(module)
    return is_news


def _tell(module: str) -> None:
    """Wake whoever listens, with the commit."""
    _rows("SELECT pg_notify(%(channel)s, %(module)s)", {"channel": CHANNEL, "module": module})


def _rows(sql: str, values: dict[str, Any]) -> list[Sequence[Any]]:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _done(sql: str, values: dict[str, Any]) -> None:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, values)
