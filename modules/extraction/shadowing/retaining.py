"""How long what shadowing finds is kept; and nothing of it, once the extraction is cancelled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from modules.extraction.shadowing.models import (
    Asked,
    Cursor,
    Difference,
    Ignored,
    Sample,
    Shadow,
    Tally,
)

SAMPLES_FOR = timedelta(days=7)  # they have parts of answers
TALLIES_FOR = timedelta(days=30)  # as long as anybody asks --since
ASKED_FOR = timedelta(hours=1)  # commands that nobody has replayed
RULES_FOR = timedelta(days=30)  # after they are over, to be looked up


def prune(module: str, now: datetime | None = None) -> int:
    """Remove what is too old, and cursors of files that are gone; how many rows."""
    at = now or datetime.now(UTC)
    removed = sum(
        rows.delete()[0]
        for rows in (
            Sample.objects.filter(difference__module=module, at__lt=at - SAMPLES_FOR),
            Tally.objects.filter(module=module, at__lt=at - TALLIES_FOR),
            Difference.objects.filter(module=module, last_seen__lt=at - TALLIES_FOR),
            Asked.objects.filter(module=module, at__lt=at - ASKED_FOR),
            Ignored.objects.filter(module=module, until__lt=at - RULES_FOR),
        )
    )
    for cursor in Cursor.objects.filter(module=module):
        if not Path(cursor.file).exists():
            removed += cursor.delete()[0]
    return removed


def forget(module: str) -> None:
    """Remove all of it."""
    Sample.objects.filter(difference__module=module).delete()
    for model in (Difference, Tally, Ignored, Cursor, Asked, Shadow):
        model.objects.filter(module=module).delete()
