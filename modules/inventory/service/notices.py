"""News of orders, settled one at a time, each in a transaction of its own.

Settling is insensitive to order: whatever comes late finds the reservation further on, or final,
and leaves it so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, connections

from modules.inventory.contract import (
    AllocationFailed,
    InsufficientStock,
    ReservationState,
    Shortage,
    StockLine,
    UnknownSku,
)
from modules.inventory.domain import NoticeKind, wanted
from modules.inventory.service import holds, reservations
from modules.platform.contracts.codec import decoder_of, encode
from modules.platform.databases import alias_of, atomic
from modules.platform.messaging import publish
from modules.platform.rest.identifiers import new_id

log = structlog.get_logger(__name__)
SENT_AT_MOST = 300  # seconds between two tries of a notice that fails

_NOTE = """
INSERT INTO inventory_notice
    (id, order_id, kind, lines, received_at, next_at, attempts, error)
VALUES (%s, %s, %s, %s, %s, %s, 0, '')
"""
# SKIP LOCKED: several workers settle; each takes its own notice.
_NEXT = """
SELECT id, order_id, kind, lines::text, attempts FROM inventory_notice
WHERE next_at <= %s ORDER BY next_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_SETTLED = "DELETE FROM inventory_notice WHERE id = %s"
_AGAIN = """
UPDATE inventory_notice SET attempts = attempts + 1, next_at = %s, error = %s WHERE id = %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A notice as it is locked."""

    id: UUID
    order_id: UUID
    kind: NoticeKind
    want: dict[str, int]
    attempts: int


def note(
    order_id: UUID, kind: NoticeKind, lines: Sequence[StockLine] = (), *, now: datetime
) -> None:
    """Keep the news in the open transaction."""
    row = [new_id(), order_id, kind.value, encode(tuple(lines)).decode(), now, now]
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_NOTE, row)


def settle(*, now: datetime, limit: int = 1_000) -> int:
    """Act on up to ``limit`` due notices; how many were taken."""
    for done in range(limit):
        if not _settle_next(now):
            return done
    return limit


def _settle_next(now: datetime) -> bool:
    with atomic("inventory"):
        found = _next(now)
        if found is None:
            return False
        try:
            with atomic("inventory"):
                _act(found, now)
        except DatabaseError as error:
            _try_again(found, error, now)
        else:
            _execute(_SETTLED, [found.id])
    return True


def _act(found: Note, now: datetime) -> None:
    helds = holds.find([found.order_id], locked=True)
    held = helds[0] if helds else None
    match found.kind:
        case NoticeKind.CONFIRMED:
            _confirmed(held or _opened(found.order_id, now), found.want, now)
        case NoticeKind.DISPATCHED:
            reservations.dispatch(found.order_id, held, found.want, now=now)
        case NoticeKind.CANCELLED:
            _cancelled(held, found.order_id, now)


def _confirmed(held: holds.Held, want: dict[str, int], now: datetime) -> None:
    if held.is_final or held.state in (ReservationState.ALLOCATED, ReservationState.DISPATCHED):
        return
    if held.state is not ReservationState.HELD:
        lacking = _take_again(held, want, now)
        if lacking:
            log.warning("inventory.allocation_failed", order_id=str(held.order_id))
            publish(AllocationFailed(order_id=held.order_id, shortages=lacking))
            return
        (held,) = holds.find([held.order_id], locked=True)
    reservations.allocate(held, now=now)


def _take_again(held: holds.Held, want: dict[str, int], now: datetime) -> tuple[Shortage, ...]:
    try:
        reservations.take_again(held, want, now=now)
    except InsufficientStock as error:
        return error.shortages
    except UnknownSku as error:
        return (Shortage(sku=error.sku, requested=want[error.sku], available=0),)
    return ()


def _cancelled(held: holds.Held | None, order_id: UUID, now: datetime) -> None:
    if held is None and not bury(order_id, reason="the order is over", now=now):
        (held,) = holds.find([order_id], locked=True)
    if held is not None:
        reservations.release(held, reason="the order is over", now=now)
        close(order_id, now=now)


def bury(order_id: UUID, *, reason: str, now: datetime) -> bool:
    """Leave a mark that the order is over, so that a late reserve is refused; False: it has a
    reservation."""
    mark = holds.claim(
        order_id,
        key="",
        state=ReservationState.RELEASED,
        expires_at=now,
        now=now,
        final=True,
        reason=reason,
    )
    return mark is not None


def close(order_id: UUID, *, now: datetime) -> None:
    """Nothing may be set aside for the order again."""
    (held,) = holds.find([order_id], locked=True)
    holds.mark(held, held.state, now=now, final=True)


def _opened(order_id: UUID, now: datetime) -> holds.Held:
    # As if a hold had run out; somebody else may have opened one meanwhile.
    holds.claim(order_id, key="", state=ReservationState.EXPIRED, expires_at=now, now=now)
    (held,) = holds.find([order_id], locked=True)
    return held


def _next(now: datetime) -> Note | None:
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(_NEXT, [now])
        row = cursor.fetchone()
    if row is None:
        return None
    lines = decoder_of(tuple[StockLine, ...]).decode(row[3])
    return Note(
        id=row[0],
        order_id=row[1],
        kind=NoticeKind(row[2]),
        want=wanted(lines),
        attempts=row[4],
    )


def _try_again(found: Note, error: Exception, now: datetime) -> None:
    log.error("inventory.notice_failed", notice=str(found.id), error=str(error))
    wait = timedelta(seconds=min(4 ** min(found.attempts, 8), SENT_AT_MOST))
    _execute(_AGAIN, [now + wait, str(error)[:2_000], found.id])


def _execute(sql: str, values: list[Any]) -> None:
    with connections[alias_of("inventory")].cursor() as cursor:
        cursor.execute(sql, values)
