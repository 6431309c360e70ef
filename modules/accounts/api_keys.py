"""Scoped API keys: shown once, kept as a digest, verified by one query with a short cache."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from modules.accounts.contract import (
    ApiKeyNotFound,
    ScopeNotYours,
    ScopeUnknown,
    UnknownApiKey,
    VerifiedKey,
)
from modules.accounts.domain import SCOPE, covers
from modules.accounts.models import ApiKey
from modules.accounts.tokens import utc_now
from modules.platform.contracts import Actor
from modules.platform.databases import atomic
from modules.platform.rest.api_keys import MARK, actor_of, is_api_key
from modules.platform.rest.problems import Problem

CACHED = 5.0  # seconds; a revoked key works that long at most
CACHE_SIZE = 10_000  # keys; valid ones only, so nobody can fill it with guesses
USED_EVERY = timedelta(minutes=1)  # how exact "last used" is; a write per call would be waste

_cache: dict[bytes, tuple[float, VerifiedKey]] = {}


def create(
    *, label: str, scopes: frozenset[str], expires_at: datetime | None, creator: Actor
) -> tuple[ApiKey, str]:
    """A new key and its text, which is never to be seen again.

    Raises ScopeUnknown, and ScopeNotYours when ``creator`` has less than it would give.
    """
    check_scopes(scopes, granted=creator.scopes)
    prefix = f"{MARK}{secrets.token_hex(4)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        label=label,
        prefix=prefix,
        digest=_digest(text),
        scopes=sorted(scopes),
        created_by=creator.label or creator.id,
        expires_at=expires_at,
    )
    return row, text


def check_scopes(scopes: frozenset[str], *, granted: frozenset[str]) -> None:
    """Raises ScopeUnknown, and ScopeNotYours for what ``granted`` does not cover."""
    for scope in sorted(scopes):
        if not SCOPE.fullmatch(scope):
            raise ScopeUnknown(scope=scope)
        if not covers(granted, scope):
            raise ScopeNotYours(scope=scope)


def revoke(*, key_id: UUID, reason: str, now: datetime) -> ApiKey:
    """Refuse the key from now on (other processes: within CACHED). Raises ApiKeyNotFound."""
    with atomic("accounts"):
        row = ApiKey.objects.select_for_update().filter(pk=key_id).first()
        if row is None:
            raise ApiKeyNotFound(key_id=key_id)
        if row.revoked_at is None:
            row.revoked_at, row.revoked_reason = now, reason
            row.save(update_fields=["revoked_at", "revoked_reason"])
    _cache.pop(bytes(row.digest), None)
    return row


def verify(*, key: str) -> VerifiedKey:
    """What ``key`` may do. Raises UnknownApiKey."""
    digest = _digest(key)
    known = _cache.get(digest)
    if known is not None and known[0] > time.monotonic():
        return known[1]
    now = utc_now()
    row = (
        ApiKey.objects.filter(digest=digest, revoked_at__isnull=True)
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
        .first()
    )
    if row is None:
        _cache.pop(digest, None)
        raise UnknownApiKey
    if row.last_used_at is None or row.last_used_at < now - USED_EVERY:
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)
    verified = VerifiedKey(id=row.pk, label=row.label, scopes=frozenset(row.scopes))
    if len(_cache) >= CACHE_SIZE:
        _cache.clear()
    left = (row.expires_at - now).total_seconds() if row.expires_at else CACHED
    _cache[digest] = (time.monotonic() + min(left, CACHED), verified)
    return verified


def verify_credential(text: str) -> Actor | None:
    """The actor of an API key; None for another sort of credential. Raises Problem 401."""
    if not is_api_key(text):
        return None
    try:
        return actor_of(verify(key=text))
    except UnknownApiKey as error:
        raise Problem.unauthorized(error.sentence()) from error


def forget_cached() -> None:
    """Ask the database again for every key."""
    _cache.clear()


def _digest(text: str) -> bytes:
    # A plain hash: 256 random bits need no salt and no slow function.
    return hashlib.sha256(text.encode()).digest()
