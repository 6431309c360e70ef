"""Operator tokens: an EdDSA JWT that says who a member of staff is and what the admin permits.

It lives for minutes and opens one session at one host (``aud``). The shop signs it with the keys
that sign access tokens; a host may sign some for its own machine's operators (``issuer_here``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from modules.platform.keys import SigningKey

ALGORITHM = "EdDSA"
TYPE = "operator+jwt"  # never taken for an access token, nor one for this
LIFE = timedelta(minutes=5)  # from link to session
LEEWAY = 5  # seconds that clocks of two hosts may differ
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti")

FindKey = Callable[[str, str], Ed25519PublicKey | None]


class TokenRefused(Exception):
    """The token is not one that opens this host's admin; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What a genuine token says. ``permissions`` are Django's, such as ``payment.view_payment``;
    they hold until ``until``.
    """

    id: UUID
    label: str
    permissions: tuple[str, ...] = ()
    superuser: bool = False
    until: datetime
    token_id: str = ""


def audience_of(host: str) -> str:
    """The ``aud`` of tokens that open the admin of ``host``."""
    return f"ficus-operator:{host}"


def issuer_here(host: str) -> str:
    """The ``iss`` of tokens that ``host`` signs for its own admin."""
    return f"ficus-host:{host}"


def issue(given: Pass, *, issuer: str, host: str, key: SigningKey, now: datetime) -> str:
    """A token for the admin of ``host``."""
    claims = {
        "iss": issuer,
        "aud": audience_of(host),
        "sub": str(given.id),
        "label": given.label,
        "permissions": list(given.permissions),
        "superuser": given.superuser,
        "until": int(given.until.timestamp()),
        "iat": int(now.timestamp()),
        "exp": int((now + LIFE).timestamp()),
        "jti": uuid4().hex,
    }
    headers = {"kid": key.kid, "typ": TYPE}
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)


def read(text: str, *, host: str, find: FindKey) -> Pass:
    """What the token says. ``find`` gives the key of an issuer's kid. Raises TokenRefused."""
    try:
        head = jwt.get_unverified_header(text)
        unverified = jwt.decode(text, options={"verify_signature": False})
        issuer, kid = str(unverified.get("iss", "")), str(head.get("kid", ""))
        key = find(issuer, kid)
        if head.get("typ") != TYPE or key is None:
            raise TokenRefused("it is no operator's, or of an unknown key")
        claims = jwt.decode(
            text,
            key,
            algorithms=[ALGORITHM],
            audience=audience_of(host),
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": list(CLAIMS)},
        )
        return _pass(claims)
    except jwt.ExpiredSignatureError as error:
        raise TokenRefused("it has expired") from error
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise TokenRefused("it is not valid") from error


def _pass(claims: dict[str, object]) -> Pass:
    permissions = claims["permissions"]
    until = claims["until"]
    if not isinstance(permissions, Sequence) or not isinstance(until, int):
        raise ValueError("permissions is no list, or until no time")
    return Pass(
        id=UUID(str(claims["sub"])),
        label=str(claims["label"])[:254],
        permissions=tuple(map(str, permissions)),
        superuser=claims.get("superuser") is True,
        until=datetime.fromtimestamp(until, UTC),
        token_id=str(claims["jti"]),
    )
