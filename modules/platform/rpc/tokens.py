"""Service tokens: who calls whom with what, signed by the calling host, good for one call.

A token is a JWT (RFC 7519) signed with Ed25519 (RFC 8037). Its claims name the issuer, the module
it is meant for (``aud``), the method, the SHA-256 of the body, and the actor on whose behalf the
call is made; so it is of no use for another call, and the actor cannot be changed on the way. It
lives ``LIFE`` seconds and is taken once (``replay``).

Written and read here rather than by PyJWT, because each call does both: the form is one and fixed,
nothing in a token chooses how it is verified, and it takes half the time.
"""

from __future__ import annotations

import hashlib
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature

from modules.platform.contracts import ANONYMOUS, Actor
from modules.platform.keys import SigningKey
from modules.platform.rpc.trust import Trust

LIFE = 30  # seconds: the longest way of a request to where it is verified, and queues there
LEEWAY = 5  # seconds by which the clocks of two hosts may differ
LONGEST = 8_192  # characters
TYPE = "ficus-call+jwt"  # a token for anything else must not do here, nor this one there
JTI_BYTES = 16


class Claims(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What a token says. ``call`` is ``payment.capture``, ``body`` base64url of its SHA-256."""

    iss: str
    aud: str
    jti: str
    iat: int
    exp: int
    call: str
    body: str
    actor: Actor = ANONYMOUS


class _Header(msgspec.Struct, kw_only=True, frozen=True):
    alg: str
    kid: str
    typ: str


class TokenRefused(Exception):
    """The token is not taken. ``reason`` is a stable word; the text never holds the token."""

    def __init__(self, reason: str, detail: str, *, issuer: str = "", kid: str = "") -> None:
        super().__init__(detail)
        self.reason, self.detail, self.issuer, self.kid = reason, detail, issuer, kid


_claims = msgspec.json.Decoder(Claims)
_header = msgspec.json.Decoder(_Header)
_encode = msgspec.json.Encoder().encode


def digest_of(body: bytes) -> str:
    """The binding to a body: base64url of its SHA-256."""
    return _base64(hashlib.sha256(body).digest()).decode()


def issue(key: SigningKey, *, issuer: str, call: str, body: bytes, actor: Actor, now: float) -> str:
    """A token for one call of ``call`` (``<module>.<method>``) with ``body``."""
    at = int(now)
    claims = Claims(
        iss=issuer,
        aud=call.partition(".")[0],
        jti=secrets.token_urlsafe(JTI_BYTES),
        iat=at,
        exp=at + LIFE,
        call=call,
        body=digest_of(body),
        actor=actor,
    )
    signed = _head_of(key.kid) + b"." + _base64(_encode(claims))
    return (signed + b"." + _base64(key.private.sign(signed))).decode()


def verify(text: str, *, module: str, trust: Trust, now: float) -> Claims:
    """The claims of a token for ``module``. Raises TokenRefused.

    Still to be compared: ``check_binding`` with the call, and ``jti`` with those seen before.
    """
    header, claims, signed, signature = _taken_apart(text)
    issuer, kid = claims.iss, header.kid
    keys = trust.keys_of(issuer)
    if keys is None:
        raise TokenRefused("unknown_issuer", "its issuer is not trusted here", issuer=issuer)
    key = keys.find(kid)
    if key is None:
        raise TokenRefused(
            "unknown_key", "its issuer does not publish its key", issuer=issuer, kid=kid
        )
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        raise TokenRefused("forged", "its signature is wrong", issuer=issuer, kid=kid) from None
    fault = _fault_of(claims, module, now)
    if fault is not None:
        raise TokenRefused(*fault, issuer=issuer, kid=kid)
    return claims


def check_binding(claims: Claims, *, call: str, body: bytes) -> None:
    """Raises TokenRefused when the token was made for another call."""
    if claims.call != call or claims.body != digest_of(body):
        raise TokenRefused("wrong_binding", "it was made for another call", issuer=claims.iss)


def _fault_of(claims: Claims, module: str, now: float) -> tuple[str, str] | None:
    if claims.aud != module:
        return "wrong_audience", "it was made for another module"
    if now > claims.exp + LEEWAY:
        return "expired", "it has expired"
    # Also what lives too long: replays are remembered for LIFE and no longer.
    if claims.iat > now + LEEWAY or claims.exp > claims.iat + LIFE or not claims.jti:
        return "wrong_times", "it is from the future, or lives longer than a call's may"
    return None


def _taken_apart(text: str) -> tuple[_Header, Claims, bytes, bytes]:
    parts = text.encode("ascii", "replace").split(b".")
    if len(parts) != 3 or len(text) > LONGEST:
        raise TokenRefused("malformed", "it is no service token")
    try:
        header = _header_of(parts[0])
        claims = _claims.decode(_plain(parts[1]))
        signature = _plain(parts[2])
    except (msgspec.MsgspecError, Base64Error, ValueError, RecursionError):
        raise TokenRefused("malformed", "it is no service token") from None
    return header, claims, parts[0] + b"." + parts[1], signature


@lru_cache(maxsize=256)
def _header_of(part: bytes) -> _Header:
    header = _header.decode(_plain(part))
    if header.alg != "EdDSA" or header.typ != TYPE:
        raise ValueError("another kind of token")
    return header


@lru_cache(maxsize=16)
def _head_of(kid: str) -> bytes:
    return _base64(_encode(_Header(alg="EdDSA", kid=kid, typ=TYPE)))


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _plain(data: bytes) -> bytes:
    return urlsafe_b64decode(data + b"=" * (-len(data) % 4))
