"""The shop's own tokens and keys, as it makes them, at the proxy's door."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings as shop

from modules.accounts import tokens
from modules.accounts.keys import KeyRing
from modules.accounts.models import User
from strangler_proxy.auth.authenticator import Authenticator
from strangler_proxy.auth.identity import UNKNOWN_KEY, Identity
from strangler_proxy.auth.keys import KeySet, parse_keys
from strangler_proxy.config import Authentication, Keys
from tests.proxy.issuing import Asking

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)


class Ring:
    """The shop's key ring as a source of published keys."""

    def __init__(self, directory: Path) -> None:
        self.ring = KeyRing(directory)
        self.ring.signing()
        self.keys: KeySet = {}
        self.ask()

    def ask(self) -> None:
        document = {"keys": tokens.jwks(self.ring)}
        self.keys = parse_keys(json.dumps(document).encode())

    def token(self, user: User) -> str:
        return tokens.issue(user, now=NOW, keys=self.ring).text


def door(source: Ring) -> Authenticator:
    """As the shop is described in a routing document, with nothing but the defaults."""
    about = Authentication(keys=Keys(file="x"), issuer=shop.SHOP_URL, audience=tokens.AUDIENCE)
    return Authenticator(about, source)


def test_a_customers_token_is_taken(tmp_path: Path) -> None:
    """The subject is the user's id, which is what the shop itself reads."""
    source = Ring(tmp_path)
    user = User(email="ann@example.org")
    found = door(source).identify(Asking(source.token(user)), NOW.timestamp())
    assert isinstance(found, Identity)
    assert (found.subject, found.scopes, found.staff) == (str(user.pk), frozenset(), False)


def test_a_superusers_token_marks_staff(tmp_path: Path) -> None:
    """Who may do everything may choose the side, by the defaults of the document."""
    source = Ring(tmp_path)
    user = User(email="root@example.org", is_staff=True, is_superuser=True)
    found = door(source).identify(Asking(source.token(user)), NOW.timestamp())
    assert isinstance(found, Identity)
    assert found.staff
    assert found.may("payment:write")


def test_a_rotated_key_signs_at_once(tmp_path: Path) -> None:
    """The first token of a new key makes the proxy look again, and is then taken."""
    source = Ring(tmp_path)
    guard = door(source)
    source.ring.rotate()
    request = Asking(source.token(User(email="ann@example.org")))
    assert guard.identify(request, NOW.timestamp()) is UNKNOWN_KEY
    assert isinstance(guard.identify(request, NOW.timestamp()), Identity)
