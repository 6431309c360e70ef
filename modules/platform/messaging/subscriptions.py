"""The source's side of a subscription: announced by consumers, moved on by their receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from modules.platform.messaging import registry, wake
from modules.platform.messaging.authority import hosted, hosted_modules
from modules.platform.messaging.crashpoints import crash_point
from modules.platform.messaging.database import RELAXED, execute, row
from modules.platform.messaging.wire import Receipt

PARTS = 8  # as in bus_publish; more would mean more, smaller batches

_ANNOUNCE = """
INSERT INTO bus_subscription (consumer, part, types, accepts, acked, sent)
SELECT %(consumer)s, p, %(types)s::text[], %(accepts)s::jsonb, s.pos, s.pos
FROM generate_series(0, %(last)s) p, (SELECT {start} AS pos) s
ON CONFLICT (consumer, part) DO UPDATE
SET types = excluded.types, accepts = excluded.accepts,
    state = CASE WHEN bus_subscription.state = 'ended' THEN 'live' ELSE bus_subscription.state END
WHERE (bus_subscription.types, bus_subscription.accepts)
      IS DISTINCT FROM (excluded.types, excluded.accepts)
   OR bus_subscription.state = 'ended'
"""
_STARTS = {"earliest": "0::bigint", "head": "bus_horizon()"}

# As if the lease had run out: it counts as sent again, so that an event that takes its worker with
# it is alone before long.
_AGAIN = """
UPDATE bus_subscription SET sent_at = 'epoch'
WHERE consumer = %s AND sent_at IS NOT NULL AND state IN ('new', 'live')
"""
_END = "UPDATE bus_subscription SET state = 'ended' WHERE consumer = %s AND state <> 'ended'"

# Whether there is anything to send behind the receipt. Most have nothing: to have the relay look
# then costs it, and PostgreSQL, more than all else that it does for an event.
_MORE = """EXISTS (
    SELECT FROM bus_outbox o WHERE o.part = s.part AND o.type = ANY (s.types) AND o.id > s.sent)"""
# A receipt never goes back: repeated and late ones change nothing.
_RECEIPT = """
UPDATE bus_subscription s
SET acked = greatest(acked, %(pos)s), sent = greatest(sent, %(pos)s),
    state = CASE WHEN state = 'new' THEN 'live' ELSE state END,
    sent_at = CASE WHEN %(pos)s >= sent THEN NULL ELSE sent_at END,
    resends = CASE WHEN %(pos)s >= sent THEN 0 ELSE resends END
WHERE consumer = %(consumer)s AND part = %(part)s
  AND (acked < %(pos)s OR state = 'new' OR (sent_at IS NOT NULL AND %(pos)s >= sent))
  AND /* relaxed */
RETURNING /* more */
""".replace("/* relaxed */", RELAXED).replace("/* more */", _MORE)

# Only a consumer knows where it stands: a rewind goes back, and costs at most a repetition.
_REWIND = """
UPDATE bus_subscription s
SET acked = %(pos)s, sent = %(pos)s, sent_at = NULL,
    state = CASE WHEN state = 'new' THEN 'live' ELSE state END
WHERE consumer = %(consumer)s AND part = %(part)s AND acked > %(pos)s
RETURNING /* more */
""".replace("/* more */", _MORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """``consumer`` wants these ``types`` of ``source``, in the versions of ``accepts``.

    ``began``: a worker of the consumer has just begun, so what was on its way to one before it may
    be lost.
    """

    source: str
    consumer: str
    accepts: Mapping[str, tuple[int, ...]]
    start: registry.Start = "earliest"
    began: bool = False


def announcements(consumer: str) -> list[Announcement]:
    """What ``consumer`` must tell: what it wants of each source, and of ours that it wants none."""
    heard = registry.heard_by(consumer)
    start = registry.start_of(consumer)
    sources = dict.fromkeys([*heard, *hosted_modules()])
    return [
        Announcement(source=s, consumer=consumer, accepts=heard.get(s, {}), start=start)
        for s in sources
    ]


def enter(announcement: Announcement) -> int:
    """Write the announcement into the source's subscriptions; the number of rows it changed.

    A type that is added to a known subscription is heard from where the subscription stands.
    """
    source, consumer = announcement.source, announcement.consumer
    if not announcement.accepts:
        return execute(source, _END, [consumer])
    if announcement.began and execute(source, _AGAIN, [consumer]):
        wake.wake(source)
    return execute(
        source,
        _ANNOUNCE.format(start=_STARTS[announcement.start]),
        {
            "consumer": consumer,
            "types": sorted(announcement.accepts),
            "accepts": msgspec.json.encode(announcement.accepts, order="sorted").decode(),
            "last": PARTS - 1,
        },
    )


def acknowledge(receipt: Receipt) -> None:
    """Write the receipt into the source's subscription. Repeating it changes nothing."""
    crash_point("receipt.before")
    found = row(
        receipt.source,
        _REWIND if receipt.rewind else _RECEIPT,
        {"consumer": receipt.consumer, "part": receipt.part, "pos": receipt.pos},
    )
    crash_point("receipt.after")
    if found is not None and found[0]:
        wake.wake(receipt.source)


def is_direct(source: str) -> bool:
    """Whether receipts and announcements for ``source`` are written from here."""
    return hosted(source)
