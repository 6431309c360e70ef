"""Sending after a commit, and the sweeper for what was lost; purging."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
from celery import shared_task
from django.db.models import QuerySet

from modules.notification import claims
from modules.notification.claims import Settled
from modules.notification.contract.types import MessageState
from modules.notification.domain import KEPT, LEASE, OPEN, SECRETS_KEPT, SENDERS
from modules.notification.models import MessageRow
from modules.notification.outlets import transports
from modules.notification.sending import Sender
from modules.platform.contracts import Fenced, Moved
from modules.platform.messaging import after_commit

SCHEDULE = {
    "notification.send_messages": timedelta(seconds=10),
    "notification.purge": timedelta(hours=1),
}
CHUNK = 5_000  # rows deleted in one statement
SETTLE_AGAIN = 0.5  # seconds; a swap takes less
SETTLE_RETRIES = int(LEASE.total_seconds() / SETTLE_AGAIN)  # then the messages are sent again

_senders = threading.BoundedSemaphore(SENDERS)
_wanted = threading.Event()


@shared_task(name="notification.send_messages")
def send_messages() -> int:
    """Send what is due; after a commit, and every 10 s for what was lost or is to be retried.

    By at most ``SENDERS`` threads of a process: a mail server that hangs must not take them all.
    """
    _wanted.set()
    if not _senders.acquire(blocking=False):
        return 0  # one of them sees that more is wanted when it is done
    _wanted.clear()
    sender = Sender(transports(), clock=_now, hand_on=_hand_on)
    try:
        sent = sender.run()
    finally:
        _senders.release()
    if sender.more or _wanted.is_set():
        after_commit("notification", send_messages)
    return sent


@shared_task(
    name="notification.settle",
    autoretry_for=(Fenced, Moved),
    default_retry_delay=SETTLE_AGAIN,
    max_retries=SETTLE_RETRIES,
)
def settle(holder: str, settled: str) -> int:
    """Mark what a sender has sent that was refused meanwhile, because the module was moved.

    The claims have travelled with the rows, so whoever has them now may write for the sender.
    """
    marks = msgspec.json.decode(settled, type=list[Settled])
    return len(claims.settle(UUID(holder), marks))


@shared_task(name="notification.purge")
def purge() -> int:
    """Forget old messages, and secrets that did not get out in time."""
    now = _now()
    late = MessageRow.objects.filter(secrets__isnull=False, created_at__lt=now - SECRETS_KEPT)
    expired = late.filter(state__in=OPEN).update(
        state=MessageState.DEAD, secrets=None, last_error="its secret expired before it was sent"
    )
    forgotten = late.update(secrets=None)
    return expired + forgotten + _delete(MessageRow.objects.filter(created_at__lt=now - KEPT))


def _delete(rows: QuerySet[MessageRow]) -> int:
    total = 0
    while chunk := list(rows.order_by("id").values_list("pk", flat=True)[:CHUNK]):
        deleted, _ = MessageRow.objects.filter(pk__in=chunk).delete()
        total += deleted
    return total


def _hand_on(holder: UUID, settled: Sequence[Settled]) -> None:
    # A secret is for the recipient; the broker must not have it.
    marks = [replace(each, message=replace(each.message, secrets=None)) for each in settled]
    text = msgspec.json.encode(marks).decode()
    after_commit("notification", settle, str(holder), text)


def _now() -> datetime:
    return datetime.now(UTC)
