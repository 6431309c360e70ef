"""Operator tokens: an EdDSA JWT that says who a member of staff is and what the admin permits.

It opens one session at one host (``aud``). The shop signs it with the keys that sign access tokens
(``modules/accounts/passes.py``); a host may sign some for its own machine's operators
(``issuer_here``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from modules.platform.keys import SigningKey

ALGORITHM = "EdDSA"
TYPE = "operator+jwt"  # never taken for an access token, nor one for this
LIFE = timedelta(minutes=5)  # of a link that people copy, until it is opened
ON_ITS_WAY = timedelta(seconds=60)  # of a pass that a browser carries from one host to another
LEEWAY = 5  # seconds that clocks of two hosts may differ
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti")

FindKey = Callable[[str, str], Ed25519PublicKey | None]


class TokenRefused(Exception):
    """The token is not one that opens this host's admin; the message says why.

    ``issuer``, ``kid`` and ``token_id`` are what it says of itself, for the log: not verified.
    """

    issuer = kid = token_id = ""


class TokenUsed(TokenRefused):
    """It has opened a session already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """What a genuine token says. ``permissions`` are Django's, such as ``payment.view_payment``;
    they hold until ``until``. ``session``: the digest of the shop's session that it came from.
    """

    id: UUID
    label: str
    permissions: tuple[str, ...] = ()
    superuser: bool = False
    until: datetime
    session: str = ""
    issuer: str = ""
    token_id: str = ""


def audience_of(host: str) -> str:
    """The ``aud`` of tokens that open the admin of ``host``."""
    return f"ficus-operator:{host}"


def issuer_here(host: str) -> str:
    """The ``iss`` of tokens that ``host`` signs for its own admin."""
    return f"ficus-host:{host}"


def digest_of(session_key: str) -> str:
    """What a token says of the shop's session: enough to know it again, not to use it."""
    return hashlib.sha256(f"operator:{session_key}".encode()).hexdigest()[:32]


def issue(
    given: Pass,
    *,
    issuer: str,
    host: str,
    key: SigningKey,
    now: datetime,
    life: timedelta = LIFE,
) -> str:
    """A token for the admin of ``host``, to be used within ``life``."""
    claims = {
        "iss": issuer,
        "aud": audience_of(host),
        "sub": str(given.id),
        "label": given.label,
        "permissions": _shortened(given.permissions, host),
        "superuser": given.superuser,
        "session": given.session,
        "until": int(given.until.timestamp()),
        "iat": int(now.timestamp()),
        "exp": int((now + life).timestamp()),
        "jti": given.token_id or uuid4().hex,
    }
    headers = {"kid": key.kid, "typ": TYPE}
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers=headers)


def read(text: str, *, host: str, find: FindKey) -> Pass:
    """What the token says. ``find`` gives the key of an issuer's kid. Raises TokenRefused."""
    said = _unverified(text)
    try:
        return _verified(text, said, host, find)
    except TokenRefused as error:
        error.issuer, error.kid, error.token_id = said
        raise


def _verified(text: str, said: tuple[str, str, str], host: str, find: FindKey) -> Pass:
    """Raises TokenRefused."""
    issuer, kid, _ = said
    try:
        key = find(issuer, kid)
        if jwt.get_unverified_header(text).get("typ") != TYPE or key is None:
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
        return _pass(claims, host)
    except jwt.ExpiredSignatureError as error:
        raise TokenRefused("it has expired") from error
    except jwt.InvalidAudienceError as error:
        raise TokenRefused("it is not valid here: it is for another host") from error
    except (jwt.PyJWTError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise TokenRefused("it is not valid") from error


def _unverified(text: str) -> tuple[str, str, str]:
    """Issuer, kid and id as the token itself says, short enough for a log line."""
    try:
        head = jwt.get_unverified_header(text)
        claims = jwt.decode(text, options={"verify_signature": False})
        words = (claims.get("iss", ""), head.get("kid", ""), claims.get("jti", ""))
    except (jwt.PyJWTError, ValueError, TypeError):
        return "", "", ""
    issuer, kid, token_id = (str(word)[:200] for word in words)
    return issuer, kid, token_id


def _pass(claims: dict[str, object], host: str) -> Pass:
    permissions = claims["permissions"]
    until = claims["until"]
    if not isinstance(permissions, Sequence) or not isinstance(until, int):
        raise ValueError("permissions is no list, or until no time")
    return Pass(
        id=UUID(str(claims["sub"])),
        label=str(claims["label"])[:254],
        permissions=_whole(map(str, permissions), host),
        superuser=claims.get("superuser") is True,
        until=datetime.fromtimestamp(until, UTC),
        session=str(claims.get("session", "")),
        issuer=str(claims["iss"]),
        token_id=str(claims["jti"]),
    )


def _shortened(permissions: Iterable[str], host: str) -> list[str]:
    """Those of the host's own module without its name: a cookie has room for 4 KB."""
    return [name.removeprefix(f"{host}.") for name in permissions]


def _whole(names: Iterable[str], host: str) -> tuple[str, ...]:
    return tuple(name if "." in name else f"{host}.{name}" for name in names)
