"""Where every subscription stands: read by the admin, the console and the gauges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from modules.platform.messaging.broker import told
from modules.platform.messaging.carrier import carrier, queues_here
from modules.platform.messaging.database import row, rows

COUNT_LIMIT = 100_000  # a lag beyond that is shown as this much; counting on would be no use

# Of each part the oldest event not acknowledged gives the seconds; the rows are counted.
_SUBSCRIPTIONS = """
SELECT s.consumer, min(s.acked), max(s.resends), count(*) FILTER (WHERE s.sent_at IS NOT NULL),
       sum(l.rows)::bigint, coalesce(max(extract(epoch FROM clock_timestamp() - l.oldest)), 0),
       min(s.state), max(s.types), min(s.accepts::text)
FROM bus_subscription s LEFT JOIN LATERAL (
    SELECT count(*) AS rows, min(o.created_at) AS oldest
    FROM (SELECT created_at FROM bus_outbox
          WHERE part = s.part AND type = ANY (s.types) AND s.state <> 'ended'
            AND id > CASE WHEN s.sent_at IS NULL THEN s.sent ELSE s.acked END
          ORDER BY id LIMIT %s) o
) l ON true
GROUP BY s.consumer ORDER BY s.consumer
"""
_LETTERS = """
SELECT consumer, source, state, fingerprint, min(place), count(*), count(DISTINCT key),
       min(parked_at), max(parked_at), min(type), min(next_at)
FROM bus_parked WHERE state <> 'resolved'
GROUP BY consumer, source, state, fingerprint ORDER BY max(parked_at) DESC
"""
_TIMERS = """
SELECT type, state, count(*), min(due_at),
       count(*) FILTER (WHERE state = 'due' AND due_at < clock_timestamp() - interval '5 seconds')
FROM bus_timer GROUP BY type, state ORDER BY type, state
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatus:
    """One consumer of one source, over all parts. ``lag_seconds``: age of the oldest event."""

    source: str
    consumer: str
    state: str
    acked: int
    in_flight: int
    lag_rows: int
    lag_seconds: float
    resends: int
    types: tuple[str, ...]
    accepts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterGroup:
    """Parked events of one consumer with the same state and fingerprint."""

    consumer: str
    source: str
    state: str
    fingerprint: str
    place: str
    count: int
    keys: int
    first_at: datetime
    last_at: datetime
    type: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerGroup:
    """Timers of one module, type and state; ``overdue`` ones are more than 5 s late."""

    module: str
    type: str
    state: str
    count: int
    next_due: datetime
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The bus of this host at a glance.

    ``queues``: how many messages no worker has taken yet, by queue; ``trouble``: why the broker
    could not say so, or empty.
    """

    subscriptions: tuple[SubscriptionStatus, ...]
    letters: tuple[LetterGroup, ...]
    timers: tuple[TimerGroup, ...]
    queues: dict[str, int]
    trouble: str


def status(modules: tuple[str, ...]) -> Status:
    """All of it for ``modules``. A broker that is away takes some seconds."""
    queues, trouble = _queues(modules)
    return Status(
        subscriptions=tuple(s for m in modules for s in subscriptions(m)),
        letters=tuple(g for m in modules for g in letter_groups(m)),
        timers=tuple(t for m in modules for t in timer_groups(m)),
        queues=queues,
        trouble=trouble,
    )


def _queues(modules: tuple[str, ...]) -> tuple[dict[str, int], str]:
    try:
        return carrier().depths(queues_here(modules)), ""
    except Exception as error:  # whatever a broker's client raises
        return {}, told(error)


def subscriptions(source: str) -> list[SubscriptionStatus]:
    """The consumers of ``source``; three index reads per consumer and part."""
    return [_subscription(source, *found) for found in rows(source, _SUBSCRIPTIONS, [COUNT_LIMIT])]


def letter_groups(consumer: str) -> list[LetterGroup]:
    """The unsettled events of ``consumer`` by state and fingerprint, the latest first."""
    names = list(LetterGroup.__dataclass_fields__)
    return [
        LetterGroup(**dict(zip(names, found, strict=True))) for found in rows(consumer, _LETTERS)
    ]


def timer_groups(module: str) -> list[TimerGroup]:
    """The timers of ``module`` by type and state."""
    return [
        TimerGroup(
            module=module, type=kind, state=state, count=count, next_due=due, overdue=overdue
        )
        for kind, state, count, due, overdue in rows(module, _TIMERS)
    ]


def head(module: str) -> int:
    """The number of the last event that ``module`` has drawn."""
    found = row(module, "SELECT bus_head()")
    return int(found[0]) if found else 0


def _subscription(source: str, *found: Any) -> SubscriptionStatus:
    consumer, acked, resends, in_flight, lag_rows, lag_seconds, state, types, accepts = found
    return SubscriptionStatus(
        source=source,
        consumer=consumer,
        state=state,
        acked=acked,
        in_flight=in_flight,
        lag_rows=lag_rows,
        lag_seconds=round(float(lag_seconds), 3),
        resends=resends,
        types=tuple(types),
        accepts=accepts,
    )
