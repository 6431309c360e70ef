"""Access tokens as a host without accounts verifies them: with the keys that the shop publishes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest

from modules.platform.contracts import ActorKind
from modules.platform.keys import KeyRing, SigningKey
from modules.platform.rest.access_tokens import verifier_of
from modules.platform.rest.authentication import Verifier
from modules.platform.rest.problems import Problem

ISSUER = "https://shop.example"


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    """The shop's keys."""
    return KeyRing(tmp_path / "keys")


@pytest.fixture
def verify(ring: KeyRing) -> Verifier:
    """As it is installed, once there is a key."""
    ring.signing()
    return verifier_of(str(ring.directory), issuer=ISSUER)


def token(key: SigningKey, *, algorithm: str = "EdDSA", without: str = "", **claims: Any) -> str:
    now = datetime.now(UTC)
    said = {
        "iss": ISSUER,
        "aud": "ficus-api",
        "sub": str(uuid4()),
        "kind": "customer",
        "scope": "payment:read payment:write",
        "owners": ["customer:1"],
        "iat": now,
        "exp": now + timedelta(minutes=5),
        "jti": "1",
        **claims,
    }
    said.pop(without, None)
    secret: Any = key.private if algorithm == "EdDSA" else key.x
    return jwt.encode(said, secret, algorithm=algorithm, headers={"kid": key.kid})


def refusal(verify: Verifier, text: str) -> str:
    with pytest.raises(Problem) as failure:
        verify(text)
    assert failure.value.status == 401
    return failure.value.detail


def test_a_genuine_token_is_an_actor(ring: KeyRing, verify: Verifier) -> None:
    """Its kind, id, scopes and owners are those of the token."""
    subject = uuid4()
    actor = verify(token(ring.signing(), sub=str(subject)))
    assert actor is not None
    assert (actor.kind, actor.id) == (ActorKind.CUSTOMER, str(subject))
    assert actor.scopes == {"payment:read", "payment:write"}
    assert actor.owners == {"customer:1"}


def test_what_is_no_jwt_is_somebody_elses(verify: Verifier) -> None:
    """An API key is not refused here: another verifier may know it."""
    assert verify("fk_live_something") is None


def test_a_new_key_is_found(ring: KeyRing, verify: Verifier) -> None:
    """A kid that is not known yet is looked up; after rotation both keys verify."""
    old = ring.signing()
    new = ring.rotate()
    assert verify(token(new)) is not None
    assert verify(token(old)) is not None


def test_an_expired_token_says_so(ring: KeyRing, verify: Verifier) -> None:
    """So that a client knows to refresh."""
    then = datetime.now(UTC) - timedelta(minutes=1)
    assert "expired" in refusal(verify, token(ring.signing(), exp=then))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "ficus-operator:payment"},
        {"kind": "king"},
        {"sub": "somebody"},
        {"owners": "customer:1"},
        {"without": "jti"},
        {"without": "exp"},
        {"without": "scope"},
    ],
)
def test_what_is_not_as_the_shop_says_it_is_refused(
    ring: KeyRing, verify: Verifier, claims: dict[str, Any]
) -> None:
    """Another issuer or audience, a claim that is missing or cannot be."""
    assert "not valid" in refusal(verify, token(ring.signing(), **claims))


def test_strangers_and_forgers_are_refused(ring: KeyRing, verify: Verifier, tmp_path: Path) -> None:
    """A key that is not published, and the public key used as a shared secret."""
    stranger = KeyRing(tmp_path / "stranger").signing()
    assert "not valid" in refusal(verify, token(stranger))
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        forged = token(ring.signing(), algorithm="HS512")
    assert "not valid" in refusal(verify, forged)
    assert "not valid" in refusal(verify, "a.b.c")


def test_without_any_key_it_says_try_again(ring: KeyRing, tmp_path: Path) -> None:
    """A genuine token must not look forged because the shop is away: 503, not 401."""
    verify = verifier_of(str(tmp_path / "nowhere"), issuer=ISSUER)
    with pytest.raises(Problem) as failure:
        verify(token(ring.signing()))
    assert (failure.value.status, failure.value.code) == (503, "keys_unavailable")
    assert failure.value.headers["Retry-After"] == "1"


def test_keys_that_were_read_stand_while_the_shop_is_away(ring: KeyRing, verify: Verifier) -> None:
    """Who was let in before is let in again; who was not is refused."""
    known = token(ring.signing())
    assert verify(known) is not None
    moved = ring.directory.rename(ring.directory.with_name("away"))
    assert verify(known) is not None
    assert "not valid" in refusal(verify, token(KeyRing(moved.with_name("other")).signing()))
