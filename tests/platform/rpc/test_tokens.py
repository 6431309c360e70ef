"""Service tokens: good for one call of one module by one host, for half a minute."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest

from modules.platform.contracts import Actor, ActorKind
from modules.platform.keys import KeyRing
from modules.platform.rpc.tokens import (
    LEEWAY,
    LIFE,
    TYPE,
    Claims,
    TokenRefused,
    check_binding,
    digest_of,
    issue,
    verify,
)
from modules.platform.rpc.trust import Trust

NOW = 1_800_000_000.0
BODY = b'{"a":1}'
ACTOR = Actor(kind=ActorKind.STAFF, id="7", scopes=frozenset({"*"}), label="Zoë")


@dataclass(frozen=True)
class Host:
    """A caller's ring, and the trust of who is called."""

    ring: KeyRing
    trust: Trust

    def token(self, **changes: Any) -> str:
        given = {"issuer": "shop", "call": "payment.capture", "body": BODY, "actor": ACTOR}
        return issue(self.ring.signing(), now=NOW, **(given | changes))

    def verified(self, token: str, *, module: str = "payment", now: float = NOW) -> Claims:
        return verify(token, module=module, trust=self.trust, now=now)

    def reason(self, token: str, **changes: Any) -> str:
        """Why the token is refused."""
        with pytest.raises(TokenRefused) as caught:
            self.verified(token, **changes)
        assert token not in str(caught.value)
        return caught.value.reason

    def signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        """Any header and claims, signed with the right key."""
        text = ".".join(part(one) for one in (header, claims))
        return f"{text}.{base64(self.ring.signing().private.sign(text.encode()))}"


def base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: object) -> str:
    return base64(json.dumps(value).encode())


def opened(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    ring = KeyRing(tmp_path / "keys")
    ring.signing()
    return Host(ring, Trust({"shop": str(ring.directory)}))


def test_a_token_says_who_calls_what_for_whom(host: Host) -> None:
    """All of it is signed."""
    claims = host.verified(host.token())
    assert (claims.iss, claims.aud, claims.call) == ("shop", "payment", "payment.capture")
    assert (claims.iat, claims.exp) == (NOW, NOW + LIFE)
    assert claims.actor == ACTOR
    check_binding(claims, call="payment.capture", body=BODY)


def test_every_token_is_another(host: Host) -> None:
    """So that each can be used up."""
    assert len({host.verified(host.token()).jti for _ in range(100)}) == 100


def test_it_is_a_jwt_like_any_other(host: Host) -> None:
    """PyJWT reads ours, and we read PyJWT's."""
    key = host.ring.signing()
    options = {"verify_exp": False, "verify_iat": False}
    theirs = jwt.decode(
        host.token(), key.public, algorithms=["EdDSA"], audience="payment", options=options
    )
    assert theirs["actor"]["label"] == "Zoë"
    headers = {"kid": key.kid, "typ": TYPE}
    again = jwt.encode(theirs, key.private, algorithm="EdDSA", headers=headers)
    assert host.verified(again).actor == ACTOR


@pytest.mark.parametrize(
    ("call", "body"),
    [("payment.refund", BODY), ("payment.capture", b'{"a":2}'), ("payment.capture", b"")],
)
def test_it_is_of_no_use_for_another_call(host: Host, call: str, body: bytes) -> None:
    """Neither another method nor another body."""
    with pytest.raises(TokenRefused) as caught:
        check_binding(host.verified(host.token()), call=call, body=body)
    assert caught.value.reason == "wrong_binding"


@pytest.mark.parametrize("seconds", [-LEEWAY, 0, LIFE, LIFE + LEEWAY])
def test_clocks_may_differ_a_little(host: Host, seconds: int) -> None:
    """By LEEWAY either way."""
    host.verified(host.token(), now=NOW + seconds)


def test_it_dies_soon(host: Host) -> None:
    """LIFE and LEEWAY after it was made; and none comes from the future."""
    token = host.token()
    assert host.reason(token, now=NOW + LIFE + LEEWAY + 1) == "expired"
    assert host.reason(token, now=NOW - LEEWAY - 1) == "wrong_times"


def test_it_is_for_one_module(host: Host) -> None:
    """Whoever is called cannot use it to call somebody else."""
    assert host.reason(host.token(), module="orders") == "wrong_audience"


def test_only_trusted_issuers_with_their_own_keys(host: Host, tmp_path: Path) -> None:
    """A trusted host cannot speak for another one."""
    assert host.reason(host.token(issuer="nobody")) == "unknown_issuer"
    other = KeyRing(tmp_path / "other")
    both = Trust({"shop": str(host.ring.directory), "other": str(other.directory)})
    stolen = issue(
        other.signing(), issuer="shop", call="payment.capture", body=BODY, actor=ACTOR, now=NOW
    )
    with pytest.raises(TokenRefused) as caught:
        verify(stolen, module="payment", trust=both, now=NOW)
    assert caught.value.reason == "unknown_key"


@pytest.mark.parametrize(
    "changes",
    [{"aud": "orders"}, {"actor": {"kind": "system"}}, {"exp": int(NOW) + 9_999}, {"body": "x"}],
)
def test_changed_claims_are_forged(host: Host, changes: dict[str, Any]) -> None:
    """Whatever is changed, the signature no longer fits."""
    head, _, signature = host.token().split(".")
    claims = part(opened(host.token(), 1) | changes)
    assert host.reason(f"{head}.{claims}.{signature}") == "forged"


@pytest.mark.parametrize(
    "changes",
    [{"exp": int(NOW) + LIFE + 1}, {"jti": ""}, {"iat": int(NOW) + 60, "exp": int(NOW) + 90}],
)
def test_even_a_trusted_host_gets_no_longer_life(host: Host, changes: dict[str, Any]) -> None:
    """Replays are remembered for so long and no longer."""
    token = host.token()
    odd = host.signed(opened(token, 0), opened(token, 1) | changes)
    assert host.reason(odd) == "wrong_times"


@pytest.mark.parametrize(
    "changes", [{"alg": "none"}, {"alg": "HS256"}, {"typ": "at+jwt"}, {"typ": "JWT"}, {"kid": 1}]
)
def test_nothing_in_a_token_chooses_how_it_is_verified(host: Host, changes: dict[str, Any]) -> None:
    """Another algorithm or another kind of token is none of ours, whoever signed it."""
    token = host.token()
    assert host.reason(host.signed(opened(token, 0) | changes, opened(token, 1))) == "malformed"


@pytest.mark.parametrize("text", ["a", "a.b", "..", "a.b.c", "é.é.é", "." * 5, "x" * 9_000])
def test_rubbish_is_refused(host: Host, text: str) -> None:
    """In one way, whatever it is."""
    assert host.reason(text) == "malformed"


def test_padding_and_other_alphabets_are_of_no_use(host: Host) -> None:
    """What differs from what was signed does not verify."""
    head, claims, signature = host.token().split(".")
    assert host.reason(f"{head}.{claims}.{signature[:-4]}") == "forged"
    assert host.reason(f"{head}=.{claims}.{signature}") in {"forged", "malformed"}


def test_a_digest_is_of_the_bytes() -> None:
    """Not of what they mean."""
    assert digest_of(b'{"a": 1}') != digest_of(BODY)
