"""API keys: hashed, scoped, expiring, revocable, and cheap to verify."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from modules.accounts import api_keys
from modules.accounts.contract import ScopeNotYours, ScopeUnknown, UnknownApiKey
from modules.accounts.models import ApiKey
from modules.platform.contracts import SYSTEM, Actor, ActorKind
from modules.platform.databases import atomic
from modules.platform.rest.problems import Problem

NOW = datetime.now(UTC)
pytestmark = pytest.mark.django_db


def make(scopes: set[str] | None = None, expires_at: datetime | None = None) -> tuple[ApiKey, str]:
    return api_keys.create(
        label="till",
        scopes=frozenset(scopes or {"orders:read"}),
        expires_at=expires_at,
        creator=SYSTEM,
    )


def test_a_key_is_an_actor_with_its_scopes() -> None:
    """And with no owner: it owns nothing."""
    _, text = make({"orders:read", "payment:write"})
    actor = api_keys.verify_credential(text)
    assert actor is not None
    assert actor.kind is ActorKind.API_KEY
    assert actor.scopes == {"orders:read", "payment:write"}
    assert actor.owners == frozenset()


def test_only_the_digest_is_stored() -> None:
    """The prefix identifies the key, the rest is gone."""
    row, text = make()
    assert text.startswith(row.prefix)
    assert text.encode() not in bytes(row.digest)


def test_one_query_and_then_none_for_a_while() -> None:
    """Verification is cached for seconds; the first use also notes the time."""
    _, text = make()
    api_keys.verify(key=text)
    api_keys.forget_cached()
    with CaptureQueriesContext(connection) as queries:
        api_keys.verify(key=text)
        api_keys.verify(key=text)
    assert len(queries) == 1


def test_last_used_is_noted() -> None:
    """Operators see which keys nobody needs."""
    row, text = make()
    api_keys.verify(key=text)
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_a_revoked_key_is_refused_here_at_once() -> None:
    """The process that revokes forgets its cache."""
    row, text = make()
    api_keys.verify(key=text)
    api_keys.revoke(key_id=row.pk, reason="leaked", now=NOW)
    with pytest.raises(UnknownApiKey):
        api_keys.verify(key=text)


def test_a_key_revoked_elsewhere_is_refused_when_the_cache_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other processes take CACHED seconds at most."""
    monkeypatch.setattr(api_keys, "CACHED", 0.0)
    row, text = make()
    api_keys.verify(key=text)
    ApiKey.objects.filter(pk=row.pk).update(revoked_at=NOW)
    with pytest.raises(UnknownApiKey):
        api_keys.verify(key=text)


def test_an_expired_key_is_refused() -> None:
    """Also when it was cached as good a moment ago."""
    row, text = make(expires_at=datetime.now(UTC) + timedelta(hours=1))
    api_keys.verify(key=text)
    ApiKey.objects.filter(pk=row.pk).update(
        created_at=NOW - timedelta(days=2), expires_at=NOW - timedelta(days=1)
    )
    api_keys.forget_cached()
    with pytest.raises(UnknownApiKey):
        api_keys.verify(key=text)


@pytest.mark.parametrize("text", ["fk_", "fk_12345678_" + "x" * 43, "fk_é", "fk_12345678_short"])
def test_made_up_keys_are_refused(text: str) -> None:
    """With 401, and no trace in the cache."""
    with pytest.raises(Problem) as failure:
        api_keys.verify_credential(text)
    assert failure.value.status == 401


def test_what_is_no_key_is_left_to_other_verifiers() -> None:
    """A JWT is not this verifier's business."""
    assert api_keys.verify_credential("eyJ.eyJ.x") is None


@pytest.mark.parametrize(
    ("have", "want", "allowed"),
    [
        ({"orders:read"}, "orders:read", True),
        ({"orders:read"}, "orders:write", False),
        ({"orders:read", "orders:write"}, "orders:*", True),
        ({"orders:read"}, "orders:*", False),
        ({"orders:*"}, "orders:write", True),
        ({"orders:*"}, "*", False),
        ({"accounts:write"}, "payment:write", False),
        ({"*"}, "*", True),
    ],
)
def test_nobody_hands_out_more_than_they_have(have: set[str], want: str, allowed: bool) -> None:
    """A key is no ladder."""
    clerk = Actor(kind=ActorKind.STAFF, id="x", scopes=frozenset(have))
    wanted = frozenset({want})
    if allowed:
        api_keys.create(label="k", scopes=wanted, expires_at=None, creator=clerk)
    else:
        with pytest.raises(ScopeNotYours):
            api_keys.create(label="k", scopes=wanted, expires_at=None, creator=clerk)


@pytest.mark.parametrize("scope", ["orders", "orders:fly", "Orders:read", "orders:read\n", ""])
def test_scopes_that_do_not_exist_are_refused(scope: str) -> None:
    """A typing error shall not look like a permission."""
    with pytest.raises(ScopeUnknown):
        make({scope})


def test_the_database_refuses_a_key_that_expires_before_it_begins() -> None:
    """A CHECK, not only the code above it."""
    row, _ = make()
    with pytest.raises(IntegrityError), atomic("accounts"):
        ApiKey.objects.filter(pk=row.pk).update(expires_at=NOW - timedelta(days=365))
