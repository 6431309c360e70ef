"""Access tokens: short-lived EdDSA JWTs that any host verifies with the published keys.

A token is verified without a query. What it grants stands until it expires, so an account that
is deactivated, or a role that is taken away, counts ACCESS_TOKEN_MINUTES later at the latest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings

from modules.accounts.domain import scopes_of_groups
from modules.accounts.keys import ring
from modules.accounts.models import User
from modules.platform.contracts import Actor, ActorKind
from modules.platform.keys import KeyRing, jwk_set
from modules.platform.rest import access_tokens
from modules.platform.rest.access_tokens import ALGORITHM, AUDIENCE
from modules.platform.rest.identifiers import new_id


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
    known = keys or ring()

    def find(kid: str) -> Ed25519PublicKey | None:
        found = known.find(kid)
        return found.public if found else None

    return access_tokens.verify(text, issuer=settings.SHOP_URL, find=find)


def jwks(keys: KeyRing | None = None) -> list[dict[str, str]]:
    """The published keys as JWKs (RFC 8037), newest first."""
    return jwk_set((keys or ring()).all())


def utc_now() -> datetime:
    """The clock of the edge."""
    return datetime.now(UTC)
