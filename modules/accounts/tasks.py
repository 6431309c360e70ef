"""Periodic work of accounts, and the mails it asks for right after a commit."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db.models import Q

from modules.accounts import mails
from modules.accounts.domain import SESSION_LIFE
from modules.accounts.models import LoginSession, MailIntent
from modules.accounts.tokens import utc_now

SCHEDULE = {
    "accounts.send_owed_mails": timedelta(seconds=15),
    "accounts.purge": timedelta(hours=1),
}
KEPT_MAILS = timedelta(days=7)
KEPT_SESSIONS = timedelta(days=7)  # after their end, for whoever asks what happened


@shared_task(name="accounts.send_owed_mails")
def send_owed_mails() -> int:
    """Ask notification for owed mails; after a commit, and every 15 s for what was lost."""
    return mails.send_owed(now=utc_now())


@shared_task(name="accounts.purge")
def purge() -> int:
    """Drop sessions that ended a week ago with their tokens, and old mail rows."""
    now = utc_now()
    ended = Q(expires_at__lt=now - KEPT_SESSIONS) | Q(revoked_at__lt=now - KEPT_SESSIONS)
    overdue = Q(created_at__lt=now - SESSION_LIFE - KEPT_SESSIONS)
    sessions, _ = LoginSession.objects.filter(ended | overdue).delete()
    owed, _ = MailIntent.objects.filter(created_at__lt=now - KEPT_MAILS).delete()
    return sessions + owed
