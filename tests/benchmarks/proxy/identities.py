"""The people who send requests: a key pair for each algorithm, and tokens signed with it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from jwt.algorithms import OKPAlgorithm

ISSUER = "https://identity.example"
AUDIENCE = "ficus"
COUNT = 256  # different tokens in turn: every proxy has them in its cache after the warm-up
LIFETIME = 86_400  # seconds; longer than any run


@dataclass(frozen=True, slots=True)
class Person:
    """``name`` is the sticky key; ``tokens`` by algorithm, all for the same subject."""

    name: str
    tokens: dict[str, str]

    def headers(self, algorithm: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[algorithm]}", "X-User": self.name}


def make(home: Path) -> list[Person]:
    """The people. Writes ``keys.json`` (the published keys) and ``rs256.pem`` into ``home``."""
    edwards = ed25519.Ed25519PrivateKey.generate()
    rivest = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True)
    published |= {"kid": "bench", "use": "sig", "alg": "EdDSA"}
    (home / "keys.json").write_text(json.dumps({"keys": [published]}))
    pem = rivest.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (home / "rs256.pem").write_bytes(pem)
    keys = {"EdDSA": edwards, "RS256": rivest}
    now = int(time.time())
    return [_person(f"user-{number}", keys, now) for number in range(COUNT)]


def _person(name: str, keys: dict[str, object], now: int) -> Person:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": name,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "jti": f"token-of-{name}",
        "scope": "catalog:read cart:write",
    }
    tokens = {
        algorithm: jwt.encode(claims, key, algorithm, headers={"kid": "bench", "typ": "at+jwt"})  # type: ignore[arg-type]
        for algorithm, key in keys.items()
    }
    return Person(name, tokens)
