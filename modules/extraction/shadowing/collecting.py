"""Takes the recorded pairs, compares them and counts what it finds: off everybody's path.

A file's cursor moves in the transaction that counts its pairs, so none is counted twice or lost,
whoever collects and however it ends. One collects at a time; a second one leaves it to the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from django.db import connections, transaction

from modules.extraction.routing.doors import own_upstream
from modules.extraction.shadowing.comparing import Found, NotComparable, compare
from modules.extraction.shadowing.keeping import ALIAS, Compared, keep
from modules.extraction.shadowing.masking import asked_as, template_of
from modules.extraction.shadowing.models import LONGEST_ROUTE, Cursor, Kind, Shadow
from modules.extraction.shadowing.recordings import Pair, files_of, read_lines

BATCH = 500  # pairs of one transaction
AGAIN = "again"
ONCE = "differs, and was not asked again"
_TRY = "SELECT pg_try_advisory_xact_lock(hashtext('ficus.shadowing'), hashtext(%s))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a front door keeps its pairs, and the names of the routes that are the module's."""

    folder: Path
    routes: frozenset[str]


def again_upstream(module: str) -> str:
    """The upstream that is the monolith once more, to ask it the same twice."""
    return f"{module}-{AGAIN}"


def collect(shadow: Shadow, places: Iterable[Place]) -> int:
    """Compare all that is recorded and was not compared yet; how many pairs."""
    pairs = 0
    for place in places:
        for path in files_of(place.folder, place.routes):
            while taken := _batch(shadow, path):
                pairs += taken
    return pairs


def forget_files(places: Iterable[Place]) -> int:
    """Remove what was recorded for the module; the front door begins new files. How many."""
    count = 0
    for place in places:
        for path in files_of(place.folder, place.routes):
            path.unlink(missing_ok=True)
            count += 1
    return count


def compared(shadow: Shadow, pair: Pair) -> Compared | None:
    """What a pair shows; None for one that is not ours, or from before we began."""
    kind = _kind(shadow.module, pair.mirrored.upstream)
    if kind is None or pair.at < shadow.since:
        return None
    request = pair.request
    one = Compared(
        kind=kind,
        route=f"{request.method} {template_of(request.target)}"[:LONGEST_ROUTE],
        at=pair.at,
        asked=f"{request.method} {asked_as(request.target)}",
        request_id=pair.request_id,
    )
    try:
        found = compare(pair.primary, pair.mirrored)
    except NotComparable as error:
        return replace(one, why_not=str(error))
    if kind is Kind.READ and pair.attempts == 1 and any(map(_may_be_lag, found)):
        return replace(one, why_not=ONCE)
    return replace(one, found=found)


def _may_be_lag(found: Found) -> bool:
    """Of what the front door confirms. Headers tell of the host and its code, not of a row."""
    return not found.place.startswith("header ")


def _kind(module: str, upstream: str) -> Kind | None:
    kinds = {own_upstream(module): Kind.READ, again_upstream(module): Kind.TWICE}
    return kinds.get(upstream)


def _batch(shadow: Shadow, path: Path) -> int:
    """How many lines of ``path`` were taken; 0 too when another collector is at it."""
    with transaction.atomic(using=ALIAS):
        if not _is_ours(shadow.module):
            return 0
        cursor, _ = Cursor.objects.get_or_create(module=shadow.module, file=str(path))
        lines = list(read_lines(path, cursor.offset, BATCH))
        if not lines:
            return 0
        found = (compared(shadow, line.pair) for line in lines if line.pair is not None)
        keep(
            shadow.module,
            [one for one in found if one is not None],
            allowed=frozenset(shadow.shown),
            owner=shadow.owner,
        )
        cursor.offset = lines[-1].end
        cursor.save(update_fields=["offset"])
        return len(lines)


def _is_ours(module: str) -> bool:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(_TRY, [module])
        return bool(cursor.fetchone()[0])
