"""What the front door lets through without credentials, address by address; all else needs some.

A table written by hand on purpose: what strangers may do is decided here once more, and a new
operation is closed until somebody opens it. Tests hold it against the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

READ = ("GET", "HEAD")
SEND = ("POST",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What holds for ``path`` of a module (from its prefix on) and below, or ``exact``ly there.

    ``open``: the methods that need no credentials. ``sign_in``: counted by that stricter limit.
    ``patient``: may take minutes.
    """

    path: str
    open: tuple[str, ...] = ()
    exact: bool = False
    sign_in: bool = False
    patient: bool = False


ADDRESSES: Mapping[str, tuple[Address, ...]] = {
    "accounts": (
        Address(path="/.well-known/jwks.json", open=READ),
        Address(path="/register", open=SEND, sign_in=True),
        Address(path="/token", open=SEND, exact=True, sign_in=True),
        Address(path="/token", open=SEND),  # refresh and revoke: many customers of one office
        Address(path="/verify-email", open=(*READ, *SEND), sign_in=True),
        Address(path="/password-reset", open=(*READ, *SEND), sign_in=True),
    ),
    "cart": (Address(path="", open=SEND, exact=True),),
    "catalog": (
        Address(path="", open=READ),
        Address(path="/imports", patient=True),
        Address(path="/export", patient=True),
    ),
    "inventory": (
        Address(path="/availability", open=READ),
        Address(path="/stock", exact=True),  # the list is staff's; one SKU's stock is everybody's
        Address(path="/stock", open=READ),
    ),
    "notification": (Address(path="/unsubscribe", open=(*READ, *SEND)),),
    "payment": (Address(path="/webhooks", open=SEND),),
    "shipping": (
        Address(path="/carriers", open=READ),
        Address(path="/methods", open=READ),
        Address(path="/quotes", open=(*READ, *SEND)),
        Address(path="/rates", open=READ),
        Address(path="/zones", open=READ),
    ),
}


def addresses_of(module: str) -> tuple[Address, ...]:
    """The module's addresses, the whole of it included."""
    known = ADDRESSES.get(module, ())
    whole = any(address.path == "" and not address.exact for address in known)
    return known if whole else (*known, Address(path=""))
