"""Access tokens: who gets through, and above all who does not."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modules.accounts import tokens
from modules.accounts.bootstrap import bootstrap
from modules.accounts.models import User
from modules.platform.contracts import ActorKind
from modules.platform.keys import KeyRing
from modules.platform.rest.problems import Problem
from tests.modules.accounts.people import customer


def now() -> datetime:
    """Access tokens live no longer than a run of all tests may take."""
    return datetime.now(UTC)


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return KeyRing(tmp_path / "keys")


@pytest.fixture
def user() -> User:
    """A customer who need not be stored."""
    return User(id=uuid4(), email="ada@example.com")


def refused(text: str, ring: KeyRing) -> str:
    """Why the token was refused."""
    with pytest.raises(Problem) as failure:
        tokens.verify(text, keys=ring)
    assert failure.value.status == 401
    return failure.value.detail


def signed(ring: KeyRing, user: User, **changes: Any) -> str:
    """A token as issued, but for ``changes`` (None removes a claim)."""
    good = jwt.decode(
        tokens.issue(user, now=now(), keys=ring).text, options={"verify_signature": False}
    )
    claims = {name: value for name, value in (good | changes).items() if value is not None}
    key = ring.signing()
    return jwt.encode(claims, key.private, algorithm="EdDSA", headers={"kid": key.kid})


def test_a_token_is_its_customer_without_a_query(ring: KeyRing, user: User) -> None:
    """Kind, id and owner come out of the token itself."""
    text = tokens.issue(user, now=now(), keys=ring).text
    actor = tokens.verify(text, keys=ring)
    assert actor is not None
    assert (actor.kind, actor.id) == (ActorKind.CUSTOMER, str(user.pk))
    assert actor.owners == {f"customer:{user.pk}"}
    assert actor.scopes == frozenset()
    assert actor.label == "", "no address of a customer travels in a token"


@pytest.mark.django_db
def test_verifying_asks_no_database(ring: KeyRing) -> None:
    """The hot path costs a signature, not a round trip."""
    text = tokens.issue(customer(), now=now(), keys=ring).text
    with CaptureQueriesContext(connection) as queries:
        tokens.verify(text, keys=ring)
    assert len(queries) == 0


@pytest.mark.django_db
def test_staff_carry_the_scopes_of_their_groups() -> None:
    """payment-operator reads and writes payments; groups of other names give nothing."""
    bootstrap()
    clerk = customer(is_staff=True)
    clerk.groups.set(
        [
            Group.objects.get(name="accounts-viewer"),
            Group.objects.get(name="notification-operator"),
            Group.objects.create(name="football"),
        ]
    )
    actor = tokens.verify(tokens.issue(clerk, now=now()).text)
    assert actor is not None
    assert actor.kind is ActorKind.STAFF
    assert actor.scopes == {"accounts:read", "notification:read", "notification:write"}


@pytest.mark.django_db
def test_a_customer_in_a_staff_group_gets_no_scopes() -> None:
    """Only staff accounts carry scopes."""
    bootstrap()
    ada = customer()
    ada.groups.add(Group.objects.get(name="accounts-manager"))
    assert tokens.scopes_of(ada) == frozenset()


@pytest.mark.django_db
def test_a_superuser_may_everything() -> None:
    """The scope is a star."""
    boss = User.objects.create_superuser("boss@example.com", "x")
    assert tokens.scopes_of(boss) == {"*"}


def test_what_is_no_jwt_is_left_to_other_verifiers(ring: KeyRing) -> None:
    """An API key is not this verifier's business."""
    assert tokens.verify("fk_12345678_abc", keys=ring) is None


def test_a_token_of_another_key_with_our_kid_is_forged(ring: KeyRing, user: User) -> None:
    """The kid names a key; the signature proves it."""
    kid = ring.signing().kid
    claims = jwt.decode(
        tokens.issue(user, now=now(), keys=ring).text, options={"verify_signature": False}
    )
    forged = jwt.encode(
        claims, Ed25519PrivateKey.generate(), algorithm="EdDSA", headers={"kid": kid}
    )
    refused(forged, ring)


def test_changed_claims_are_forged(ring: KeyRing, user: User) -> None:
    """A customer does not write themself a scope."""
    head, body, signature = tokens.issue(user, now=now(), keys=ring).text.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["scope"] = "*"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    refused(f"{head}.{changed}.{signature}", ring)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_other_algorithms_are_refused(ring: KeyRing, user: User, algorithm: str) -> None:
    """Neither no signature nor one made with the public key as a secret."""
    key = ring.signing()
    claims = jwt.decode(
        tokens.issue(user, now=now(), keys=ring).text, options={"verify_signature": False}
    )
    secret = key.x if algorithm == "HS256" else ""
    forged = jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": key.kid})
    refused(forged, ring)


def test_an_expired_token_says_so(ring: KeyRing, user: User) -> None:
    """Its holder knows to refresh it."""
    text = tokens.issue(user, now=now() - timedelta(hours=2), keys=ring).text
    assert "expired" in refused(text, ring)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "somebody-else"},
        {"iss": "https://evil.example.com"},
        {"aud": None},
        {"iss": None},
        {"exp": None},
        {"sub": None},
        {"jti": None},
        {"kind": None},
        {"kind": "root"},
        {"sub": "not-a-uuid"},
        {"owners": "customer:1"},
        {"owners": None},
        {"scope": None},
    ],
)
def test_signed_tokens_with_wrong_claims_are_refused(
    ring: KeyRing, user: User, changes: dict[str, Any]
) -> None:
    """Another audience or issuer, or a claim that lacks, is refused; never a 500."""
    refused(signed(ring, user, **changes), ring)


def test_a_token_survives_a_rotation_and_dies_with_its_key(ring: KeyRing, user: User) -> None:
    """Rotation is quiet, retirement is final."""
    text = tokens.issue(user, now=now(), keys=ring).text
    old = ring.signing().kid
    ring.rotate()
    assert tokens.verify(text, keys=ring) is not None
    ring.retire(old)
    refused(text, ring)


@pytest.mark.parametrize("text", ["a.b.c", "..", "eyJ.eyJ.x", "\u00e9.a.b", "e30.e30.e30"])
def test_rubbish_with_two_dots_is_refused(ring: KeyRing, text: str) -> None:
    """Never a 500."""
    refused(text, ring)


def test_the_published_keys_verify_tokens(ring: KeyRing, user: User) -> None:
    """Anybody with the JWKS can verify, and gets no private part."""
    text = tokens.issue(user, now=now(), keys=ring).text
    (published,) = tokens.jwks(ring)
    assert set(published) == {"kty", "crv", "use", "alg", "kid", "x"}
    key = jwt.PyJWK.from_dict(published)
    claims = jwt.decode(text, key, algorithms=["EdDSA"], audience=tokens.AUDIENCE)
    assert claims["sub"] == str(user.pk)
