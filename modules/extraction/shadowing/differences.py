"""The differences of a module as they count now: for ``diff``, a canary's analysis, the dashboard.

Nothing here writes. Rules are applied when it is read: what is ignored today does not count for
yesterday either, and counts again when the rule is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Sum

from modules.extraction.shadowing.judging import Counts, State, state_of
from modules.extraction.shadowing.models import Difference, Ignored, Kind, Sample, Tally

BUCKET = timedelta(seconds=10)  # what a tally counts together
SAMPLES = 5  # of a fingerprint, the newest; older ones are not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Pairs that were compared, those of them that differ, and in how many ways.

    What is ignored or noise is left out of ``different`` and ``open_fingerprints``.
    """

    compared: int
    different: int
    open_fingerprints: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One pair: what was asked, where exactly they differ, both values as they may be shown."""

    at: datetime
    asked: str
    request_id: str
    place: str
    monolith: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """One way of differing. ``count`` pairs had it; ``twice`` runs of the monolith alone had it.

    ``until``: of the rule that ignores it, while there is one.
    """

    fingerprint: str
    kind: str
    route: str
    place: str
    way: str
    state: State
    owner: str
    count: int
    twice: int
    first_seen: datetime
    last_seen: datetime
    until: datetime | None = None
    samples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """All pairs since a moment. ``same + different + ignored + noise`` are those compared; what
    differs in several ways counts as the worst: different before ignored before noise.
    """

    same: int = 0
    different: int = 0
    ignored: int = 0
    noise: int = 0
    runs: int = 0  # of the monolith twice
    not_compared: Mapping[str, int] = field(default_factory=dict)  # by why

    @property
    def compared(self) -> int:
        return self.same + self.different + self.ignored + self.noise


def rate(module: str, since: datetime) -> Rate:
    """How many pairs differ since then; in steps of ten seconds, the first one whole."""
    states = states_of(module)
    found = _summed(module, since, states)
    seen = fingerprints_since(module, since)
    open_now = sum(states.get(one, State.OPEN) is State.OPEN for one in seen)
    return Rate(compared=found.compared, different=found.different, open_fingerprints=open_now)


def summary(module: str, since: datetime) -> Summary:
    """What became of all pairs since then."""
    return _summed(module, since, states_of(module))


def latest(module: str, limit: int) -> tuple[Fingerprint, ...]:
    """The fingerprints that were seen last, newest first, in whatever state, with samples."""
    return listed(module, Difference.objects.filter(module=module).order_by("-last_seen")[:limit])


def listed(module: str, rows: Iterable[Difference]) -> tuple[Fingerprint, ...]:
    """These rows with their state and their samples."""
    states, rules = states_of(module), rules_of(module)
    rows = list(rows)
    samples = _samples(rows)
    return tuple(
        Fingerprint(
            fingerprint=one.fingerprint,
            kind=one.kind,
            route=one.route,
            place=one.place,
            way=one.way,
            state=states[one.fingerprint],
            owner=one.owner,
            count=one.count,
            twice=one.twice,
            first_seen=one.first_seen,
            last_seen=one.last_seen,
            until=rules.get(one.fingerprint),
            samples=tuple(samples[one.pk]),
        )
        for one in rows
    )


def fingerprints_since(module: str, since: datetime) -> frozenset[str]:
    """Those that pairs since then have; not those of two runs of the monolith."""
    rows = _tallies(module, since).exclude(kind=Kind.TWICE).exclude(fingerprints="")
    return frozenset(
        one for text in rows.values_list("fingerprints", flat=True) for one in text.split()
    )


def rules_of(module: str) -> dict[str, datetime]:
    """Fingerprint to the end of the rule that ignores it; rules that are over are left out."""
    rows = Ignored.objects.filter(module=module, until__gt=datetime.now(UTC))
    return dict(rows.values_list("fingerprint", "until"))


def states_of(module: str) -> dict[str, State]:
    """Every fingerprint that is known, as it counts now."""
    now, rules = datetime.now(UTC), rules_of(module)
    compared, runs = _by_route(module)
    return {
        one.fingerprint: state_of(
            Counts(
                differed=one.count,
                compared=compared[one.route],
                twice=one.twice,
                runs=runs[one.route],
            ),
            rules.get(one.fingerprint),
            now,
        )
        for one in Difference.objects.filter(module=module)
    }


def bucket_of(at: datetime) -> datetime:
    """When the ten seconds began in which ``at`` is."""
    seconds = int(at.timestamp()) // int(BUCKET.total_seconds()) * int(BUCKET.total_seconds())
    return datetime.fromtimestamp(seconds, UTC)


def _tallies(module: str, since: datetime):  # type: ignore[no-untyped-def]
    return Tally.objects.filter(module=module, at__gte=bucket_of(since))


def _by_route(module: str) -> tuple[defaultdict[str, int], defaultdict[str, int]]:
    """Pairs compared, and runs of the monolith twice, of each route; as long as it is kept."""
    compared, runs = defaultdict[str, int](int), defaultdict[str, int](int)
    rows = Tally.objects.filter(module=module, why_not="").values_list("route", "kind")
    for route, kind, count in rows.annotate(n=Sum("count")):
        (runs if kind == Kind.TWICE else compared)[route] += count
    return compared, runs


def _summed(module: str, since: datetime, states: Mapping[str, State]) -> Summary:
    sums = defaultdict[str, int](int)
    why_not = defaultdict[str, int](int)
    rows = _tallies(module, since).values_list("kind", "fingerprints", "why_not")
    for kind, fingerprints, why, count in rows.annotate(n=Sum("count")):
        if why:
            why_not[why] += count
        elif kind == Kind.TWICE:
            sums["runs"] += count
        else:
            sums[_worst(fingerprints, states)] += count
    return Summary(**sums, not_compared=dict(why_not))


def _worst(fingerprints: str, states: Mapping[str, State]) -> str:
    found = {states.get(one, State.OPEN) for one in fingerprints.split()}
    if State.OPEN in found:
        return "different"
    if State.IGNORED in found:
        return "ignored"
    return "noise" if found else "same"


def _samples(rows: list[Difference]) -> defaultdict[int, list[Example]]:
    found = defaultdict[int, list[Example]](list)
    wanted = Sample.objects.filter(difference__in=[one.pk for one in rows])
    for one in wanted.order_by("-at", "-id"):
        if len(found[one.difference_id]) < SAMPLES:
            found[one.difference_id].append(
                Example(
                    at=one.at,
                    asked=one.asked,
                    request_id=one.request_id,
                    place=one.place,
                    monolith=one.monolith,
                    service=one.service,
                )
            )
    return found
