"""What recorded exchanges do not tell: credentials, cookies, passwords, tokens.

A hidden value becomes ``hidden:`` and a keyed hash of it, so that two equal values still look
equal and nobody can try out which value it was. The key is never written anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from hashlib import blake2b
from urllib.parse import unquote_to_bytes

from strangler_proxy.errors import Field

KEY_BYTES = 32
HEADERS = (
    *("authorization", "proxy-authorization", "cookie", "set-cookie", "api-key", "x-api-key"),
    *("cart-token", "x-csrftoken", "x-csrf-token", "x-xsrf-token"),
)
MEMBERS = (
    *("password", "new_password", "old_password", "current_password", "passphrase", "secret"),
    *("client_secret", "token", "access_token", "refresh_token", "id_token", "cart_token"),
    *("api_key", "code_verifier", "session", "sessionid", "csrfmiddlewaretoken", "otp", "pin"),
    *("card_number", "cvc", "cvv", "pan", "iban"),
)
_ADDRESSES = frozenset({"location", "content-location", "referer"})  # their queries are looked at


class Redaction:
    """Hides by name, in whatever case; ``headers`` and ``members`` are hidden besides the usual."""

    __slots__ = ("_headers", "_key", "_members", "_names", "_quoted")

    def __init__(
        self, key: bytes, *, headers: Iterable[str] = (), members: Iterable[str] = ()
    ) -> None:
        self._key = key
        self._headers = frozenset(name.lower() for name in (*HEADERS, *headers))
        self._names = frozenset(name.lower() for name in (*MEMBERS, *members))
        self._quoted = [f'"{name}"' for name in sorted(self._names)]
        # A member and its scalar value, in JSON that may be cut off in the middle of the value.
        names = "|".join(re.escape(name) for name in sorted(self._names))
        self._members = re.compile(
            rf'("(?:{names})"\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?$)|-?\d[\d.eE+-]*)',
            re.I | re.S,
        )

    def hide(self, value: str) -> str:
        """What stands in the place of ``value``."""
        digest = blake2b(value.encode(), key=self._key, digest_size=12)
        return f"hidden:{digest.hexdigest()}"

    def fields(self, fields: Iterable[Field]) -> tuple[tuple[str, str], ...]:
        """Header fields as text."""
        return tuple(
            (name, self._value(name.lower(), value))
            for name, value in ((n.decode("latin-1"), v.decode("latin-1")) for n, v in fields)
        )

    def target(self, target: str) -> str:
        """A target or an address with a query."""
        address, mark, query = target.partition("?")
        return address + mark + self.form(query) if query else target

    def form(self, text: str) -> str:
        """Parameters, ``name=value&...``."""
        return "&".join(map(self._parameter, text.split("&")))

    def json(self, text: str) -> str:
        """JSON, whole or cut off. A name spelled with escapes is not recognised."""
        lower = text.lower()
        if not any(quoted in lower for quoted in self._quoted):  # 20 times as fast as the pattern
            return text
        return self._members.sub(lambda found: f'{found[1]}"{self.hide(found[2])}"', text)

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        plain = unquote_to_bytes(name.replace("+", " ")).decode(errors="replace").lower()
        return f"{name}={self.hide(value)}" if equals and plain in self._names else part

    def _value(self, name: str, value: str) -> str:
        if name in self._headers:
            return _WAYS.get(name, Redaction.hide)(self, value)
        return self.target(value) if name in _ADDRESSES else value

    def _credentials(self, value: str) -> str:
        """The scheme stays: ``Bearer hidden:...``."""
        scheme, space, secret = value.partition(" ")
        return f"{scheme} {self.hide(secret)}" if space else self.hide(value)

    def _cookies(self, value: str) -> str:
        """The names stay."""
        return "; ".join(map(self._cookie, value.split("; ")))

    def _set_cookie(self, value: str) -> str:
        """The name and the attributes stay."""
        cookie, semicolon, attributes = value.partition(";")
        return self._cookie(cookie) + semicolon + attributes

    def _cookie(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        return f"{name}={self.hide(value)}" if equals else self.hide(pair)


_WAYS: dict[str, Callable[[Redaction, str], str]] = {
    "authorization": Redaction._credentials,
    "proxy-authorization": Redaction._credentials,
    "cookie": Redaction._cookies,
    "set-cookie": Redaction._set_cookie,
}
