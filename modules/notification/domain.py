"""Pure rules of messages: which templates there are, when to try again, when to give up."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from random import Random

from modules.notification.contract.types import MessageState

MAX_ATTEMPTS = 8  # with the pauses below: about two and a half hours
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 3600.0  # seconds
DOWN_PAUSE = 20.0  # seconds until a transport that is down is asked again
PATIENCE = timedelta(days=3)  # a transport that is down so long: the message is dead
SENDERS = 4  # at once in a process
LEASE = timedelta(minutes=5)  # longer than a batch, a minute, and one message that hangs
REFUND_PATIENCE = timedelta(minutes=2)  # the order's own event tells of most refunds in seconds
SECRETS_KEPT = timedelta(hours=24)  # a message with a secret that is not out by then is dead
KEPT = timedelta(days=400)  # a year and a month, for whoever asks what was sent
OPEN = (MessageState.QUEUED, MessageState.RETRYING, MessageState.SENDING)


class TemplateName(StrEnum):
    """The messages the shop sends by itself."""

    ORDER_CONFIRMED = "order_confirmed"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_PARTLY_CANCELLED = "order_partly_cancelled"
    ORDER_FAILED = "order_failed"
    ORDER_SHIPPED = "order_shipped"
    ORDER_REFUNDED = "order_refunded"
    ORDER_RETURNED = "order_returned"
    VERIFY_EMAIL = "verify_email"
    PASSWORD_RESET = "password_reset"  # noqa: S105
    WELCOME = "welcome"


MARKETING = frozenset({TemplateName.WELCOME})


def fallbacks(locale: str) -> tuple[str, ...]:
    """Where a template is looked for: ``de-AT`` -> ``de-AT``, ``de``, ``en``."""
    chain = [locale, locale.partition("-")[0], "en"]
    return tuple(dict.fromkeys(chain))


def pause_after(attempts: int, random: Random) -> timedelta:
    """How long to wait after ``attempts`` failures: equal jitter around 15 s * 3^(n-1)."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 3.0 ** max(0, attempts - 1))
    return timedelta(seconds=random.uniform(longest / 2, longest))


def is_hopeless(attempts: int, created_at: datetime, now: datetime) -> bool:
    """Whether to give the message up."""
    return attempts >= MAX_ATTEMPTS or now - created_at > PATIENCE
