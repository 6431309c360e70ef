"""Access tokens: short-lived EdDSA JWTs that any host verifies with the published keys.

A token is verified without a query. What it grants stands until it expires, so an account that
is deactivated, or a role that is taken away, counts ACCESS_TOKEN_MINUTES later at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt
from django.conf import settings

from modules.accounts.domain import scopes_of_groups
from modules.accounts.keys import KeyRing, ring
from modules.accounts.models import User
from modules.platform.contracts import Actor, ActorKind
from modules.platform.rest.identifiers import new_id
from modules.platform.rest.problems import Problem

ALGORITHM = "EdDSA"
AUDIENCE = "ficus-api"
LEEWAY = 5  # seconds that clocks of two hosts may differ
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A signed token and how many seconds it lives."""

    text: str
    expires_in: int


def scopes_of(user: User) -> frozenset[str]:
    """What ``user`` may do beyond their own: nothing for customers, all for superusers."""
    if not user.is_staff:
        return frozenset()
    if user.is_superuser:
        return frozenset({"*"})
    return scopes_of_groups(user.groups.values_list("name", flat=True))


def issue(user: User, *, now: datetime, keys: KeyRing | None = None) -> AccessToken:
    """A token for ``user``, signed with the newest key."""
    key = (keys or ring()).signing()
    life = timedelta(minutes=settings.ACCESS_TOKEN_MINUTES)
    claims = {
        "iss": settings.SHOP_URL,
        "aud": AUDIENCE,
        "sub": str(user.pk),
        "kind": str(ActorKind.STAFF if user.is_staff else ActorKind.CUSTOMER),
        "scope": " ".join(sorted(scopes_of(user))),
        "owners": [user.owner],
        "label": user.email if user.is_staff else "",
        "iat": int(now.timestamp()),
        "exp": int((now + life).timestamp()),
        "jti": new_id().hex,
    }
    headers = {"kid": key.kid, "typ": "at+jwt"}
    text = jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)
    return AccessToken(text=text, expires_in=int(life.total_seconds()))


def verify(text: str, *, keys: KeyRing | None = None) -> Actor | None:
    """The actor of an access token; None for what is no JWT at all.

    Raises Problem 401 for one that is forged, expired, of a retired key or of another audience.
    """
    if text.count(".") != 2:
        return None
    try:
        kid = str(jwt.get_unverified_header(text).get("kid", ""))
        key = (keys or ring()).find(kid)
        if key is None:
            raise jwt.InvalidKeyError(f"no key {kid}")
        claims = jwt.decode(
            text,
            key.public,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=settings.SHOP_URL,
            leeway=LEEWAY,
            options={"require": list(CLAIMS)},
        )
        return _actor(claims)
    except jwt.ExpiredSignatureError as error:
        raise Problem.unauthorized("The access token has expired; refresh it.") from error
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise Problem.unauthorized("The access token is not valid.") from error


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


def jwks(keys: KeyRing | None = None) -> list[dict[str, str]]:
    """The published keys as JWKs (RFC 8037), newest first."""
    return [
        {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": k.kid, "x": k.x}
        for k in (keys or ring()).all()
    ]


def utc_now() -> datetime:
    """The clock of the edge."""
    return datetime.now(UTC)
