"""An issuer of access tokens as the shop issues them, and of others that it never would."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from strangler_proxy.auth.keys import KeySet, parse_keys
from strangler_proxy.config import Authentication, Keys

ISSUER = "https://shop.example"
AUDIENCE = "ficus-api"
SUBJECT = "0198c0de-1111-7222-8333-444455556666"
NOW = 1_800_000_000.0


def settings(**changed: Any) -> Authentication:
    """What the proxy is told of this issuer."""
    options = {"keys": Keys(file="keys.json"), "issuer": ISSUER, "audience": AUDIENCE}
    return Authentication(**{**options, **changed})


class Issuer:
    """One key and its tokens."""

    def __init__(self, kid: str = "20270115T080000000000-0a1b2c", algorithm: str = "EdDSA") -> None:
        self.kid = kid
        self.algorithm = algorithm
        self.private: Any
        if algorithm == "EdDSA":
            self.private = Ed25519PrivateKey.generate()
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        else:
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def jwk(self) -> dict[str, str]:
        """The published key."""
        maker = jwt.get_algorithm_by_name(self.algorithm)
        found: dict[str, str] = json.loads(maker.to_jwk(self.private.public_key()))
        found.pop("key_ops", None)
        return {**found, "use": "sig", "alg": self.algorithm, "kid": self.kid}

    def token(
        self, *, now: float = NOW, headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A good token, but for what is changed; a claim that is None is left out."""
        wanted = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": SUBJECT,
            "kind": "customer",
            "scope": "",
            "owners": [f"customer:{SUBJECT}"],
            "label": "",
            "iat": int(now),
            "exp": int(now) + 900,
            "jti": "0123456789abcdef0123456789abcdef",
            **claims,
        }
        return signed(
            {"kid": self.kid, "typ": "at+jwt", "alg": self.algorithm, **(headers or {})},
            {name: value for name, value in wanted.items() if value is not None},
            self.private,
        )


def signed(head: dict[str, Any], claims: dict[str, Any], key: Any) -> str:
    """A JWT with exactly this head, signed with ``key`` by the algorithm that suits it."""
    names = {Ed25519PrivateKey: "EdDSA", bytes: "HS256", type(None): "none"}
    name = next((name for kind, name in names.items() if isinstance(key, kind)), "")
    if not name:
        name = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "RS256"
    text = f"{_segment(head)}.{_segment(claims)}"
    maker = jwt.get_algorithm_by_name(name)
    signature = maker.sign(text.encode(), maker.prepare_key(key)) if key is not None else b""
    return f"{text}.{_base64(signature)}"


def jwks(*issuers: Issuer) -> bytes:
    """Their published keys."""
    return json.dumps({"keys": [issuer.jwk for issuer in issuers]}).encode()


class Published:
    """Keys as a test publishes them: a source without reading."""

    def __init__(self, *issuers: Issuer) -> None:
        self.keys: KeySet = {}
        self.asked = 0
        self.publish(*issuers)

    def publish(self, *issuers: Issuer) -> None:
        """From now on these."""
        self.keys = parse_keys(jwks(*issuers)) if issuers else {}

    def ask(self) -> None:
        self.asked += 1


class Asking:
    """A request with these headers."""

    def __init__(self, *token: str | bytes, address: str = "203.0.113.9", **headers: str) -> None:
        self.address = address
        self.headers = {
            name.replace("_", "-").encode(): text.encode() for name, text in headers.items()
        }
        for one in token:
            text = one if isinstance(one, bytes) else f"Bearer {one}".encode()
            self.headers[b"authorization"] = text


def _segment(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
