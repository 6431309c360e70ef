"""Log-ins: an access token and a rotating refresh token per session.

A refresh token works once. One that comes again means that two parties have it, so the whole
session ends (RFC 9700, section 4.14.2). Only digests are stored.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from modules.accounts import tokens
from modules.accounts.contract import RefreshTokenInvalid, RefreshTokenReused, SessionNotFound
from modules.accounts.domain import REFRESH_LIFE, SESSION_LIFE
from modules.accounts.models import LoginSession, RefreshToken, User
from modules.platform.databases import atomic

MARK = "frt_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a log-in gives. ``expires_in`` is the access token's life in seconds."""

    access: str
    refresh: str
    expires_in: int
    session_id: UUID


def begin(
    *, user: User, now: datetime, user_agent: str = "", ip_address: str | None = None
) -> Tokens:
    """A new session for ``user``, whose password was checked."""
    with atomic("accounts"):
        session = LoginSession.objects.create(
            user=user,
            user_agent=user_agent[:200].replace("\x00", ""),
            ip_address=ip_address,
            last_used_at=now,
            expires_at=now + REFRESH_LIFE,
        )
        refresh = _new_token(session)
    return _tokens(user, session, refresh, now)


def refresh(*, token: str, now: datetime) -> Tokens:
    """New tokens for an old one, which is used up. Raises RefreshTokenInvalid, -Reused."""
    with atomic("accounts"):
        known = (
            RefreshToken.objects.select_for_update(of=("self", "session"))
            .select_related("session__user")
            .filter(digest=_digest(token))
            .first()
        )
        if known is None or not known.session.is_alive(now) or not known.session.user.is_active:
            raise RefreshTokenInvalid
        if known.used_at is None:
            fresh = _rotate(known, now)
        else:
            fresh = ""
            _revoke(LoginSession.objects.filter(pk=known.session_id), "refresh token reused", now)
    if not fresh:  # after the commit: the revocation must stay
        raise RefreshTokenReused
    return _tokens(known.session.user, known.session, fresh, now)


def end(*, token: str, now: datetime) -> None:
    """End the token's session; an unknown token is no error (RFC 7009)."""
    found = RefreshToken.objects.filter(digest=_digest(token)).values("session_id")
    _revoke(LoginSession.objects.filter(pk__in=found), "logged out", now)


def end_session(*, user_id: UUID, session_id: UUID, now: datetime) -> None:
    """End one of the user's sessions. Raises SessionNotFound."""
    mine = LoginSession.objects.filter(pk=session_id, user_id=user_id)
    if not _revoke(mine, "ended by its owner", now):
        raise SessionNotFound(session_id=session_id)


def end_all(*, user_id: UUID, reason: str, now: datetime) -> int:
    """End all sessions of the user; how many were alive."""
    return _revoke(LoginSession.objects.filter(user_id=user_id), reason, now)


def alive(*, user_id: UUID, now: datetime) -> list[LoginSession]:
    """The user's sessions that can be refreshed, newest first; 100 at most."""
    rows = LoginSession.objects.filter(user_id=user_id, revoked_at__isnull=True, expires_at__gt=now)
    return list(rows.order_by("-last_used_at")[:100])


def _revoke(rows: QuerySet[LoginSession], reason: str, now: datetime) -> int:
    living = rows.filter(revoked_at__isnull=True)
    return int(living.update(revoked_at=now, revoked_reason=reason[:60]))


def _rotate(known: RefreshToken, now: datetime) -> str:
    known.used_at = now
    known.save(update_fields=["used_at"])
    session = known.session
    session.last_used_at = now
    session.expires_at = min(now + REFRESH_LIFE, session.created_at + SESSION_LIFE)
    session.save(update_fields=["last_used_at", "expires_at"])
    return _new_token(session)


def _new_token(session: LoginSession) -> str:
    text = MARK + secrets.token_urlsafe(32)
    RefreshToken.objects.create(digest=_digest(text), session=session)
    return text


def _tokens(user: User, session: LoginSession, refresh: str, now: datetime) -> Tokens:
    access = tokens.issue(user, now=now)
    return Tokens(
        access=access.text, refresh=refresh, expires_in=access.expires_in, session_id=session.pk
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
