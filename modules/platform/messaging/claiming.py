"""What a relay may send now: picked, read and marked as sent in one statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Any

import msgspec
from django.conf import settings

from modules.platform.messaging.context import read_headers
from modules.platform.messaging.database import RELAXED, execute, prepared
from modules.platform.messaging.wire import Batch, WireEvent, encode_events

BATCH_EVENTS = 200
BATCH_BYTES = 256 * 1024
ROW_BYTES = 300  # envelope around the data
LEASE = timedelta(seconds=30)  # longer than the hard time limit of a delivery
# The lease grows to 2 minutes at most: a host that was away, and whose queue was lost meanwhile,
# waits no longer for its events. By then a batch is a single event, so what piles up is small.
LONGEST_DOUBLING = 2
SKIP = 512  # events of no interest to pass before it is worth a write
NOW = timedelta()

# SKIP LOCKED: several relays may run; each claims its own subscriptions. After each resend the
# batch is a quarter as long: an event that kills its worker is soon alone.
_CLAIM = """
WITH due AS MATERIALIZED (
    SELECT s.id, s.consumer, s.part, s.acked, s.types, s.resends, s.state,
           CASE WHEN s.sent_at IS NULL THEN s.sent ELSE s.acked END AS start,
           s.sent_at IS NOT NULL AS again,
           greatest(1, %(events)s::integer >> CASE WHEN s.sent_at IS NULL THEN 0
                                              ELSE least(2 * (s.resends + 1), 30) END) AS batch
    FROM bus_subscription s
    WHERE s.state IN ('new', 'live') AND /* relaxed */
      AND CASE WHEN s.sent_at IS NULL THEN s.sent < %(horizon)s::bigint
          ELSE s.sent_at + %(lease)s::interval * (1 << least(s.resends, %(doublings)s::integer))
               < clock_timestamp() + %(ahead)s::interval END
    FOR UPDATE SKIP LOCKED
), found AS MATERIALIZED (
    SELECT d.id AS subscription, e.*, sum(e.size) OVER (PARTITION BY d.id ORDER BY e.id) AS bytes
    FROM due d CROSS JOIN LATERAL (
        SELECT o.id, o.event_id, o.type, o.version, o.key, o.created_at,
               o.payload::text AS payload, o.headers::text AS headers,
               octet_length(o.payload::text) + %(row_bytes)s::integer AS size
        FROM bus_outbox o
        WHERE o.part = d.part AND o.type = ANY (d.types)
          AND o.id > d.start AND o.id <= %(horizon)s::bigint
        ORDER BY o.id LIMIT d.batch
    ) e
), fits AS MATERIALIZED (
    SELECT * FROM found WHERE bytes <= %(bytes)s::bigint OR bytes = size
), ends AS MATERIALIZED (
    SELECT d.id AS subscription, f.seen,
           -- A batch that took all there is reaches to the horizon, past what is of no interest.
           CASE WHEN f.seen IS NULL OR (f.seen < d.batch AND f.seen = f.all_found)
                THEN greatest(%(horizon)s::bigint, f.top, d.start) ELSE f.top END AS upto
    FROM due d LEFT JOIN (
        SELECT w.subscription, count(*) AS seen, max(w.id) AS top,
               (SELECT count(*) FROM found x WHERE x.subscription = w.subscription) AS all_found
        FROM fits w GROUP BY w.subscription
    ) f ON f.subscription = d.id
), moved AS (
    UPDATE bus_subscription s
    SET sent = e.upto,
        sent_at = CASE WHEN e.seen IS NULL THEN NULL ELSE clock_timestamp() END,
        resends = CASE WHEN d.again AND e.seen IS NOT NULL THEN s.resends + 1 ELSE 0 END
    FROM due d JOIN ends e ON e.subscription = d.id
    WHERE s.id = d.id
      AND (e.seen IS NOT NULL OR d.again OR e.upto - d.start >= %(skip)s::bigint)
)
SELECT d.id, d.consumer, d.part, d.acked, e.upto, d.state = 'new', d.again,
       f.id, f.event_id, f.type, f.version, f.key, f.created_at, f.payload, f.headers
FROM fits f JOIN due d ON d.id = f.subscription JOIN ends e ON e.subscription = d.id
ORDER BY d.id, f.id
""".replace("/* relaxed */", RELAXED)

_RELEASE = """
UPDATE bus_subscription SET sent = acked, sent_at = NULL
WHERE id = %s AND acked < sent AND sent_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a relay may send at once, and how long it waits for a receipt.

    ``ahead`` is added to the clock, for tests.
    """

    events: int = BATCH_EVENTS
    bytes: int = BATCH_BYTES
    lease: timedelta = LEASE
    ahead: timedelta = NOW


DEFAULTS = Limits()


def configured() -> Limits:
    """The limits that this host's settings give (``BUS_LEASE`` in seconds)."""
    lease = getattr(settings, "BUS_LEASE", None)
    return DEFAULTS if lease is None else Limits(lease=timedelta(seconds=lease))


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One batch that this relay alone has marked as sent. ``again``: its lease had run out."""

    subscription: int
    batch: Batch
    events: int
    again: bool


def claim(module: str, horizon: int, limits: Limits) -> Iterator[Claim]:
    """Every batch of ``module`` that may go now, up to ``horizon``; marked before it returns."""
    found = prepared(
        module,
        _CLAIM,
        {
            "horizon": horizon,
            "events": limits.events,
            "bytes": limits.bytes,
            "row_bytes": ROW_BYTES,
            "lease": limits.lease,
            "doublings": LONGEST_DOUBLING,
            "skip": SKIP,
            "ahead": limits.ahead,
        },
    )
    return (_claim(module, list(group)) for _, group in groupby(found, key=lambda one: one[0]))


def release(module: str, claims: list[Claim]) -> None:
    """Take back what the carrier did not take, so that it need not wait for its lease."""
    for one in claims:
        execute(module, _RELEASE, [one.subscription])


def _claim(module: str, found: list[tuple[Any, ...]]) -> Claim:
    subscription, consumer, part, acked, upto, opening, again = found[0][:7]
    batch = Batch(
        source=module,
        consumer=consumer,
        part=part,
        after=acked,
        to=upto,
        opening=opening,
        events=encode_events([_wire(module, *one[7:]) for one in found]),
    )
    return Claim(subscription=subscription, batch=batch, events=len(found), again=again)


def _wire(
    module: str,
    position: int,
    event_id: Any,
    type_name: str,
    version: int,
    key: str,
    created_at: Any,
    payload: str,
    headers: str | None,
) -> WireEvent:
    told = read_headers(headers)
    return WireEvent(
        specversion="1.0",
        id=event_id,
        source=f"/{module}",
        type=f"{type_name}.v{version}",
        subject=key,
        time=created_at,
        sequence=str(position),
        data=msgspec.Raw(payload.encode()),
        traceparent=told.traceparent,
        correlationid=told.correlation,
        causationid=told.causation,
        asker=told.asker,
    )
