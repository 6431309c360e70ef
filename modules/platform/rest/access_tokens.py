"""Access tokens: short-lived EdDSA JWTs that any host verifies with the published keys.

A token is verified without a query. accounts issues them and verifies with its own keys; a host
without accounts installs ``verifier_of`` with the place where the keys are published.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from modules.platform.contracts import Actor, ActorKind
from modules.platform.keys import PublicKeys
from modules.platform.rest.authentication import Verifier
from modules.platform.rest.problems import Problem

ALGORITHM = "EdDSA"
AUDIENCE = "ficus-api"
LEEWAY = 5  # seconds that clocks of two hosts may differ
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti")

FindKey = Callable[[str], Ed25519PublicKey | None]


def verify(text: str, *, issuer: str, find: FindKey) -> Actor | None:
    """The actor of an access token; None for what is no JWT at all.

    ``find`` gives the public key of a kid. Raises Problem 401 for a token that is forged,
    expired, of a retired key, of another issuer or for another audience.
    """
    if text.count(".") != 2:
        return None
    try:
        kid = str(jwt.get_unverified_header(text).get("kid", ""))
        key = find(kid)
        if key is None:
            raise jwt.InvalidKeyError(f"no key {kid}")
        return _actor(_claims(text, key, issuer))
    except jwt.ExpiredSignatureError as error:
        raise Problem.unauthorized("The access token has expired; refresh it.") from error
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise Problem.unauthorized("The access token is not valid.") from error


def verifier_of(location: str, *, issuer: str) -> Verifier:
    """Verifies by the keys published at ``location``: a JWK set's URL, or a directory.

    The verifier raises Problem 503 while no key can be read: it cannot tell whom to refuse.
    """
    keys = PublicKeys(location)

    def find(kid: str) -> Ed25519PublicKey | None:
        key = keys.find(kid)
        if key is None and keys.is_empty:
            detail = "Access tokens cannot be verified yet; try again soon."
            raise Problem(503, "keys_unavailable", detail, headers={"Retry-After": "1"})
        return key

    return lambda text: verify(text, issuer=issuer, find=find)


def _claims(text: str, key: Ed25519PublicKey, issuer: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(
        text,
        key,
        algorithms=[ALGORITHM],
        audience=AUDIENCE,
        issuer=issuer,
        leeway=LEEWAY,
        options={"require": list(CLAIMS)},
    )
    return claims


def _actor(claims: dict[str, object]) -> Actor:
    owners = claims["owners"]
    if not isinstance(owners, list):
        raise ValueError("owners is not a list")
    return Actor(
        kind=ActorKind(str(claims["kind"])),
        id=str(UUID(str(claims["sub"]))),
        owners=frozenset(map(str, owners)),
        scopes=frozenset(str(claims["scope"]).split()),
        label=str(claims.get("label", "")),
    )
