"""The mails accounts owes people: a row first, then notification is asked until it takes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import SystemRandom

import structlog

from modules.accounts import links
from modules.accounts.domain import LIFE_OF_LINK, MAIL_PATIENCE, MAIL_PAUSE, MailKind
from modules.accounts.models import MailIntent, User
from modules.notification.contract import Notification, SendMessage, Variable
from modules.platform.binding import BindingError, use
from modules.platform.contracts import ContractError
from modules.platform.databases import atomic
from modules.platform.messaging import after_commit

log = structlog.get_logger(__name__)
random = SystemRandom()
BATCH = 20  # mails asked for in one go
LONGEST_PAUSE = 600.0  # seconds between two attempts


def owe(user: User, kind: MailKind, *, now: datetime) -> bool:
    """Owe ``user`` a mail; False when one of the kind was owed less than MAIL_PAUSE ago.

    Takes part in the open transaction, under the user's row lock.
    """
    from modules.accounts.tasks import send_owed_mails

    recent = MailIntent.objects.filter(user=user, kind=kind, created_at__gt=now - MAIL_PAUSE)
    if recent.exists():
        return False
    MailIntent.objects.create(user=user, kind=kind, created_at=now, next_at=now)
    after_commit("accounts", send_owed_mails)
    return True


def send_owed(*, now: datetime, limit: int = BATCH) -> int:
    """Ask notification for the mails that are due; how many it took."""
    taken = 0
    for intent in _claim(now, limit):
        taken += _ask_for(intent, now)
    return taken


def _claim(now: datetime, limit: int) -> list[MailIntent]:
    """Due intents, put off far enough that nobody else asks for them meanwhile."""
    with atomic("accounts"):
        # SKIP LOCKED: two workers may sweep; each takes its own.
        due = MailIntent.objects.select_for_update(skip_locked=True, of=("self",)).select_related(
            "user"
        )
        found = list(
            due.filter(next_at__lte=now, taken_at__isnull=True, dropped_at__isnull=True).order_by(
                "next_at"
            )[:limit]
        )
        for intent in found:
            intent.attempts += 1
            pause = min(LONGEST_PAUSE, 5.0 * 2**intent.attempts)
            intent.next_at = now + timedelta(seconds=random.uniform(pause / 2, pause))
        MailIntent.objects.bulk_update(found, ["attempts", "next_at"])
    return found


def _ask_for(intent: MailIntent, now: datetime) -> bool:
    if not _wanted(intent, now):
        MailIntent.objects.filter(pk=intent.pk).update(dropped_at=now)
        return False
    try:
        use(Notification).send(_command(intent))
    except (ContractError, BindingError) as error:
        log.warning("mail.not_taken", kind=intent.kind, attempts=intent.attempts, error=str(error))
        MailIntent.objects.filter(pk=intent.pk).update(error=str(error)[:300])
        return False
    MailIntent.objects.filter(pk=intent.pk).update(taken_at=now, error="")
    return True


def _wanted(intent: MailIntent, now: datetime) -> bool:
    user = intent.user
    done = intent.kind == MailKind.VERIFY and user.email_verified_at is not None
    return user.is_active and not done and intent.created_at > now - MAIL_PATIENCE


def _command(intent: MailIntent) -> SendMessage:
    kind = MailKind(intent.kind)
    user = intent.user
    token = links.make_token(user, kind)
    hours = int(LIFE_OF_LINK[kind].total_seconds() // 3600)
    return SendMessage(
        idempotency_key=f"accounts:{intent.pk}",
        template=kind,
        recipient=user.email,
        owner=user.owner,
        locale=user.locale,
        variables=(
            Variable(name="name", value=user.full_name),
            Variable(name="hours", value=str(hours)),
            Variable(name="token", value=token, secret=True),
            Variable(name="link", value=links.link(token, kind), secret=True),
        ),
    )
