"""Who asks: an access token (EdDSA JWT), an API key, a guest's Cart-Token, or nobody."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from modules.platform.contracts import ANONYMOUS, Actor
from modules.platform.rest.problems import Problem

Verifier = Callable[[str], Actor | None]
# Installed by the module that knows identity: first one that recognises the credential wins.
_verifiers: list[Verifier] = []
MAX_CREDENTIAL = 4096  # characters; longer ones are refused unread
TOKEN_DOTS = 2  # in an access token; an API key has none
# In this order, as the shop tells its front door.
OPAQUE = ("authorization", "api-key", "cart-token")


def install_verifier(verifier: Verifier) -> None:
    """Let ``verifier`` turn a bearer credential into an actor (None: not its sort).

    It raises Problem 401 for one of its sort that is expired, revoked or forged.
    """
    if verifier not in _verifiers:
        _verifiers.append(verifier)


def guest_owner(cart_token: str) -> str:
    """The owner reference of whoever holds ``cart_token``."""
    return f"guest:{hashlib.sha256(cart_token.encode()).hexdigest()}"


def asker_of(request: Request, actor: Actor) -> str | None:
    """By what name the front door knows whoever asks; None for somebody who shows nothing.

    An account's id where an access token says it. Of anything else, which only we can verify, its
    digest: ``Authorization``, ``Api-Key``, ``Cart-Token``, whichever comes first. The rule is the
    front door's (``strangler_proxy/auth/authenticator.py``, which imports nothing of this).
    """
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if header and header.count(".") == TOKEN_DOTS:
        return actor.id or None
    for name in OPAQUE:
        value = request.META.get(f"HTTP_{name.upper().replace('-', '_')}", "")
        if value:
            told = f"{name}:{value}".encode("latin-1", "replace")
            return f"opaque:{hashlib.blake2b(told, digest_size=16).hexdigest()}"
    return None


class ApiAuthentication(BaseAuthentication):
    """Sets ``request.user`` to an Actor. A bad credential is refused, never ignored."""

    def authenticate(self, request: Request) -> tuple[Actor, str] | None:
        credential = _credential(request)
        actor = _verify(credential) if credential else ANONYMOUS
        cart_token = request.META.get("HTTP_CART_TOKEN", "")
        if cart_token:
            actor = replace(actor, owners=actor.owners | {guest_owner(cart_token)})
        if actor is ANONYMOUS:
            return None
        return actor, credential

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _credential(request: Request) -> str:
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header:
        return str(request.META.get("HTTP_API_KEY", ""))
    scheme, _, credential = header.partition(" ")
    if scheme.lower() != "bearer" or not credential or len(credential) > MAX_CREDENTIAL:
        raise Problem.unauthorized("The Authorization header must be: Bearer <token>.")
    return str(credential.strip())


def _verify(credential: str) -> Actor:
    for verifier in _verifiers:
        actor = verifier(credential)
        if actor is not None:
            return actor
    raise Problem.unauthorized("The token is not one of this shop's.")
