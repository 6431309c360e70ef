"""Writes down what was compared: tallies, differences and samples, each bounded. One transaction
of the caller's for a whole batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Final

from django.db import connections

from modules.extraction.shadowing.comparing import Found
from modules.extraction.shadowing.differences import SAMPLES, bucket_of
from modules.extraction.shadowing.masking import shown
from modules.extraction.shadowing.models import (
    LONGEST_PLACE,
    LONGEST_ROUTE,
    LONGEST_WAY,
    Difference,
    Kind,
    Sample,
)

ALIAS: Final = "extraction"
MOST_FINGERPRINTS = 500  # of a module; what comes then is counted as one
OTHER = "(others)"

_TALLY = """
INSERT INTO extraction_shadow_tally (module, kind, route, at, fingerprints, why_not, count)
VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (module, kind, route, at, fingerprints, why_not)
DO UPDATE SET count = extraction_shadow_tally.count + excluded.count
"""
_DIFFERENCE = """
INSERT INTO extraction_shadow_difference AS known (module, fingerprint, kind, route, place, way,
    owner, count, twice, first_seen, last_seen)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (module, fingerprint)
DO UPDATE SET count = known.count + excluded.count, twice = known.twice + excluded.twice,
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen),
    kind = CASE excluded.kind WHEN 'twice' THEN known.kind ELSE excluded.kind END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One pair: what was asked, when, and what was found. ``route`` has no ids in it."""

    kind: Kind
    route: str
    at: datetime
    asked: str
    request_id: str = ""
    found: tuple[Found, ...] = ()
    why_not: str = ""


@dataclass(slots=True)
class _Seen:
    """A fingerprint within a batch."""

    one: Compared
    found: Found
    count: int = 0
    twice: int = 0
    first: datetime | None = None
    last: datetime | None = None
    samples: list[tuple[Compared, Found]] = field(default_factory=list)

    def see(self, one: Compared, found: Found) -> None:
        if one.kind is Kind.TWICE:
            self.twice += 1
        else:
            self.count += 1
            self.one = one
            self.samples = [*self.samples, (one, found)][-SAMPLES:]
        self.first = min(self.first or one.at, one.at)
        self.last = max(self.last or one.at, one.at)


def fingerprint_of(module: str, route: str, place: str, way: str) -> str:
    """16 hexadecimal digits; the same for the same fault, whoever finds it and when."""
    text = "\0".join((module, route, place, way))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def keep(
    module: str, batch: Iterable[Compared], *, allowed: frozenset[str], owner: str = ""
) -> None:
    """Count a batch and keep samples of its differences; in a transaction of the caller's."""
    known = set(Difference.objects.filter(module=module).values_list("fingerprint", flat=True))
    tallies: Counter[tuple[str, str, datetime, str, str]] = Counter()
    seen: dict[str, _Seen] = {}
    for one in batch:
        marks = []
        for found in one.found:
            mark, told = _known_as(module, one, found, known)
            known.add(mark)
            if mark not in marks:
                marks.append(mark)
                seen.setdefault(mark, _Seen(one, told)).see(one, found)
        text = " ".join(sorted(marks))
        tallies[one.kind.value, one.route, bucket_of(one.at), text, one.why_not[:40]] += 1
    _write(module, tallies, seen, owner)
    for mark, of in seen.items():
        _keep_samples(module, mark, of, allowed)


def _known_as(module: str, one: Compared, found: Found, known: set[str]) -> tuple[str, Found]:
    """Its fingerprint; that of all others when there are too many already."""
    place, way = found.place[:LONGEST_PLACE], found.way[:LONGEST_WAY]
    mark = fingerprint_of(module, one.route, place, way)
    if mark in known or len(known) < MOST_FINGERPRINTS:
        return mark, found
    other = Found(OTHER, OTHER, found.exact, found.member, found.monolith, found.service)
    return fingerprint_of(module, OTHER, OTHER, OTHER), other


def _write(
    module: str,
    tallies: Counter[tuple[str, str, datetime, str, str]],
    seen: dict[str, _Seen],
    owner: str,
) -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.executemany(
            _TALLY, [(module, *key, count) for key, count in sorted(tallies.items())]
        )
        cursor.executemany(
            _DIFFERENCE,
            [
                (
                    *(module, mark, of.one.kind.value),
                    OTHER if of.found.place == OTHER else of.one.route[:LONGEST_ROUTE],
                    *(of.found.place[:LONGEST_PLACE], of.found.way[:LONGEST_WAY], owner),
                    *(of.count, of.twice, of.first, of.last),
                )
                for mark, of in sorted(seen.items())
            ],
        )


def _keep_samples(module: str, mark: str, of: _Seen, allowed: frozenset[str]) -> None:
    """The newest, and no more than ``SAMPLES`` with those that are there."""
    if not of.samples:
        return
    row = Difference.objects.get(module=module, fingerprint=mark)
    Sample.objects.bulk_create(
        Sample(
            difference=row,
            at=one.at,
            asked=one.asked[:300],
            request_id=one.request_id[:128],
            place=found.exact[:LONGEST_PLACE],
            monolith=shown(found.monolith, found.member, allowed)[:200],
            service=shown(found.service, found.member, allowed)[:200],
        )
        for one, found in of.samples
    )
    newest = row.samples.order_by("-at", "-id").values_list("pk", flat=True)[:SAMPLES]
    row.samples.exclude(pk__in=list(newest)).delete()
