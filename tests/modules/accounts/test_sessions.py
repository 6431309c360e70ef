"""Refresh tokens: once each, and a second use ends the session."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections

from modules.accounts import sessions
from modules.accounts.contract import (
    RefreshTokenInvalid,
    RefreshTokenReused,
    SessionNotFound,
)
from modules.accounts.domain import REFRESH_LIFE, SESSION_LIFE
from modules.accounts.models import LoginSession, RefreshToken
from modules.accounts.tasks import purge
from tests.modules.accounts.people import customer

NOW = datetime.now(UTC)
pytestmark = pytest.mark.django_db


def test_a_refresh_gives_new_tokens_and_uses_the_old_one_up() -> None:
    """The chain goes on in the same session."""
    first = sessions.begin(user=customer(), now=NOW)
    second = sessions.refresh(token=first.refresh, now=NOW)
    third = sessions.refresh(token=second.refresh, now=NOW)
    assert len({first.refresh, second.refresh, third.refresh}) == 3
    assert first.session_id == third.session_id


def test_a_reused_token_ends_the_whole_session() -> None:
    """The thief and the owner both have to log in again."""
    first = sessions.begin(user=customer(), now=NOW)
    second = sessions.refresh(token=first.refresh, now=NOW)
    with pytest.raises(RefreshTokenReused):
        sessions.refresh(token=first.refresh, now=NOW)
    with pytest.raises(RefreshTokenInvalid):
        sessions.refresh(token=second.refresh, now=NOW)
    assert LoginSession.objects.get().revoked_reason == "refresh token reused"


def test_reuse_leaves_the_other_sessions_alone() -> None:
    """Another device stays logged in."""
    user = customer()
    here, there = sessions.begin(user=user, now=NOW), sessions.begin(user=user, now=NOW)
    sessions.refresh(token=here.refresh, now=NOW)
    with pytest.raises(RefreshTokenReused):
        sessions.refresh(token=here.refresh, now=NOW)
    assert sessions.refresh(token=there.refresh, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_many_refreshes_at_once_one_wins() -> None:
    """The row lock decides; the rest are reuse, and the session is over."""
    pair = sessions.begin(user=customer(), now=NOW)
    won, lost = [], []

    def refresh() -> None:
        try:
            won.append(sessions.refresh(token=pair.refresh, now=NOW))
        except RefreshTokenInvalid as error:
            lost.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=refresh) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 5)
    assert LoginSession.objects.get().revoked_at is not None


def test_a_token_is_stored_as_a_digest_only() -> None:
    """Whoever reads the table cannot log in."""
    pair = sessions.begin(user=customer(), now=NOW)
    assert pair.refresh.encode() not in bytes(RefreshToken.objects.get().digest)


def test_an_unused_session_expires() -> None:
    """After REFRESH_LIFE without a refresh it is over."""
    pair = sessions.begin(user=customer(), now=NOW)
    with pytest.raises(RefreshTokenInvalid):
        sessions.refresh(token=pair.refresh, now=NOW + REFRESH_LIFE)


def test_a_session_ends_however_often_it_is_refreshed() -> None:
    """SESSION_LIFE after the log-in one must log in again."""
    pair = sessions.begin(user=customer(), now=NOW)
    refresh, now = pair.refresh, NOW
    while now + timedelta(days=25) < NOW + SESSION_LIFE:
        now += timedelta(days=25)
        refresh = sessions.refresh(token=refresh, now=now).refresh
    with pytest.raises(RefreshTokenInvalid):
        sessions.refresh(token=refresh, now=now + timedelta(days=25))


def test_logging_out_ends_the_session_and_repeats_quietly() -> None:
    """RFC 7009: an unknown token is no error."""
    pair = sessions.begin(user=customer(), now=NOW)
    sessions.end(token=pair.refresh, now=NOW)
    sessions.end(token=pair.refresh, now=NOW)
    sessions.end(token="frt_made-up", now=NOW)
    with pytest.raises(RefreshTokenInvalid):
        sessions.refresh(token=pair.refresh, now=NOW)


def test_nobody_ends_somebody_else_s_session() -> None:
    """Another owner's session is not found."""
    mine = sessions.begin(user=customer(), now=NOW)
    eve = customer("eve@example.com")
    with pytest.raises(SessionNotFound):
        sessions.end_session(user_id=eve.pk, session_id=mine.session_id, now=NOW)


def test_a_deactivated_account_refreshes_nothing() -> None:
    """Even where its session was left alive."""
    user = customer()
    pair = sessions.begin(user=user, now=NOW)
    user.is_active = False
    user.save()
    with pytest.raises(RefreshTokenInvalid):
        sessions.refresh(token=pair.refresh, now=NOW)


def test_ended_sessions_are_purged_with_their_tokens() -> None:
    """A week later nothing is left of them; living ones stay."""
    user = customer()
    old = sessions.begin(user=user, now=NOW - timedelta(days=60))
    sessions.begin(user=user, now=NOW)
    purge()
    assert not LoginSession.objects.filter(pk=old.session_id).exists()
    assert LoginSession.objects.count() == RefreshToken.objects.count() == 1
