"""Operator tokens: what is said comes out again, and nothing else opens a host's admin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from modules.platform.keys import KeyRing, SigningKey
from modules.platform.operators.tokens import LIFE, Pass, TokenRefused, issue, read

SHOP = "https://shop.example"


def now() -> datetime:
    """Tokens live for minutes, and a run of all tests takes longer."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return KeyRing(tmp_path / "keys").signing()


def somebody(**more: Any) -> Pass:
    fields = {"id": uuid4(), "label": "ops@example.com", "until": now() + timedelta(hours=1)}
    return Pass(**fields | more)


def knowing(key: SigningKey) -> Any:
    """Knows one key of one issuer."""

    def find(issuer: str, kid: str) -> Ed25519PublicKey | None:
        return key.public if (issuer, kid) == (SHOP, key.kid) else None

    return find


def test_a_pass_arrives_as_it_was_given(key: SigningKey) -> None:
    """Who it is, what is permitted and for how long; the token has an id of its own."""
    given = somebody(permissions=("payment.view_payment", "payment.refund"))
    text = issue(given, issuer=SHOP, host="payment", key=key, now=now())
    found = read(text, host="payment", find=knowing(key))
    assert found.token_id
    assert (found.id, found.label, found.permissions) == (given.id, given.label, given.permissions)
    assert (found.until, found.superuser) == (given.until, False)


def test_it_is_for_one_host(key: SigningKey) -> None:
    """Payment's does not open notification."""
    text = issue(somebody(), issuer=SHOP, host="payment", key=key, now=now())
    with pytest.raises(TokenRefused, match="not valid"):
        read(text, host="notification", find=knowing(key))


def test_it_lives_for_minutes(key: SigningKey) -> None:
    """From the link to the session; the session lasts as long as the pass says."""
    text = issue(somebody(), issuer=SHOP, host="payment", key=key, now=now() - 2 * LIFE)
    with pytest.raises(TokenRefused, match="expired"):
        read(text, host="payment", find=knowing(key))


def test_another_issuer_cannot_use_the_key(key: SigningKey) -> None:
    """A key stands for its own issuer only."""
    text = issue(somebody(), issuer="https://elsewhere", host="payment", key=key, now=now())
    with pytest.raises(TokenRefused, match="unknown key"):
        read(text, host="payment", find=knowing(key))


def test_a_stranger_with_a_known_kid_is_refused(key: SigningKey, tmp_path: Path) -> None:
    """The signature is checked, not the name."""
    stranger = KeyRing(tmp_path / "other").signing()
    forged = SigningKey(
        kid=key.kid,
        private=stranger.private,
        public=stranger.public,
        x=stranger.x,
        made_at=stranger.made_at,
    )
    text = issue(somebody(), issuer=SHOP, host="payment", key=forged, now=now())
    with pytest.raises(TokenRefused, match="not valid"):
        read(text, host="payment", find=knowing(key))


@pytest.mark.parametrize(
    ("typ", "claims"),
    [
        ("at+jwt", {}),
        ("operator+jwt", {"permissions": None}),
        ("operator+jwt", {"until": "tomorrow"}),
        ("operator+jwt", {"until": 10**30}),
        ("operator+jwt", {"sub": "me"}),
    ],
)
def test_what_is_signed_may_still_be_wrong(
    key: SigningKey, typ: str, claims: dict[str, Any]
) -> None:
    """An access token with the right audience, and claims that cannot be."""
    said = {
        "iss": SHOP,
        "aud": "ficus-operator:payment",
        "sub": str(uuid4()),
        "label": "x",
        "permissions": [],
        "until": int(now().timestamp()) + 60,
        "iat": now(),
        "exp": now() + LIFE,
        "jti": "1",
        **claims,
    }
    headers = {"kid": key.kid, "typ": typ}
    text = jwt.encode(said, key.private, algorithm="EdDSA", headers=headers)
    with pytest.raises(TokenRefused):
        read(text, host="payment", find=knowing(key))


def test_superuser_is_said_outright(key: SigningKey) -> None:
    """True and nothing that is like it."""
    text = issue(somebody(superuser=True), issuer=SHOP, host="payment", key=key, now=now())
    assert read(text, host="payment", find=knowing(key)).superuser is True


@pytest.mark.parametrize("text", ["", "nonsense", "a.b.c", "e30.e30.e30", "\u00e4.b.c"])
def test_nonsense_is_refused(key: SigningKey, text: str) -> None:
    """Never an error of another sort."""
    with pytest.raises(TokenRefused):
        read(text, host="payment", find=knowing(key))
