"""Verifies one access token: a JWT by RFC 9068, signed with a published key. No IO, no state."""

from __future__ import annotations

import math
import re
from typing import Any

import jwt

from strangler_proxy.auth.identity import (
    EXPIRED,
    INVALID,
    MALFORMED,
    MAX_TOKEN,
    NO_KEYS,
    NOT_A_JWT,
    TOO_EARLY,
    TOO_LONG,
    TWICE,
    UNKNOWN_KEY,
    Identity,
)
from strangler_proxy.auth.keys import KeySet, PublishedKey
from strangler_proxy.config import Authentication
from strangler_proxy.errors import Refusal

# Both go into headers: visible ASCII only. 255 characters, as OpenID Connect has it.
SUBJECT = re.compile(r"[\x21-\x7e]{1,255}")
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749, section 3.3
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti")  # as the shop has them
BEARER = re.compile(rb"bearer(?: +(.*))?", re.IGNORECASE | re.DOTALL)
TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, section 2.1
SECOND = re.compile(rb",\s*bearer\s", re.IGNORECASE)
# Times are judged by the clock that we are given.
OPTIONS: Any = {
    "require": list(CLAIMS),
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
# Whatever PyJWT and cryptography raise for tokens that are made to break them.
BROKEN = (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


def token_of(header: bytes) -> bytes | Refusal | None:
    """The bearer token of an Authorization header; None for another scheme."""
    matched = BEARER.fullmatch(header)
    if matched is None:
        return TWICE if SECOND.search(header) else None
    token = bytes(matched[1] or b"").strip()
    if len(token) > MAX_TOKEN:
        return TOO_LONG
    if b"," in token:
        return TWICE
    return token if TOKEN.fullmatch(token) else MALFORMED


def is_jwt(token: bytes) -> bool:
    """Whether it has the shape of one."""
    return token.count(b".") == 2


def verify(
    token: bytes, settings: Authentication, keys: KeySet, now: float
) -> tuple[Identity | Refusal, str]:
    """Whom the token names, or why it is refused; and the kid that it names."""
    try:
        head = jwt.get_unverified_header(token)
    except BROKEN:
        return NOT_A_JWT, ""
    kid = str(head.get("kid", ""))
    key = keys.get(kid)
    if key is None:
        return (UNKNOWN_KEY if keys else NO_KEYS), kid
    if key.algorithm not in settings.algorithms or not _is_our_type(head, settings):
        return INVALID, kid
    try:
        return _judge(_claims(token, key, settings), settings, now), kid
    except BROKEN:
        return INVALID, kid


def _is_our_type(head: dict[str, Any], settings: Authentication) -> bool:
    wanted = settings.token_type
    said = str(head.get("typ", "")).lower().removeprefix("application/")
    return wanted is None or said == wanted.lower()


def _claims(token: bytes, key: PublishedKey, settings: Authentication) -> dict[str, Any]:
    """The claims of a token that is genuine and meant for us. Raises one of BROKEN."""
    claims: dict[str, Any] = jwt.decode(
        token,
        key.jwk,
        algorithms=[key.algorithm],
        issuer=settings.issuer,
        audience=settings.audience,
        options=OPTIONS,
    )
    return claims


def _judge(claims: dict[str, Any], settings: Authentication, now: float) -> Identity | Refusal:
    leeway = settings.leeway_seconds
    expires = _seconds(claims["exp"])
    begins = max(_seconds(claims["iat"]), _seconds(claims.get("nbf", 0)))
    if now >= expires + leeway:
        return EXPIRED
    if now < begins - leeway:
        return TOO_EARLY
    subject, scopes = claims["sub"], _words(claims.get("scope"))
    if not SUBJECT.fullmatch(subject) or not all(map(SCOPE.fullmatch, scopes)):
        return INVALID
    staff = settings.staff_word in _words(claims.get(settings.staff_claim))
    return Identity(subject, scopes, expires, staff)


def _seconds(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not math.isfinite(claim):
        raise ValueError("a time is no number")
    return float(claim)


def _words(claim: object) -> frozenset[str]:
    """The words of a claim: a string of them (RFC 8693, section 4.2) or a list."""
    if claim is None:
        return frozenset()
    if isinstance(claim, str):
        return frozenset(claim.split())
    if isinstance(claim, list) and all(isinstance(word, str) for word in claim):
        return frozenset(claim)
    raise ValueError("a claim is neither a string nor a list of strings")
