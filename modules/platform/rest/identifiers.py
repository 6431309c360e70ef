"""Ids as clients see them: ``ord_`` and a UUID in 26 characters (the TypeID format 0.3).

Source: the TypeID specification: lower-case Crockford base 32, first character at most 7.
"""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat
from django.urls import register_converter

from modules.platform.outside import drawn

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LENGTH = 26
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def new_id() -> UUID:
    """A fresh UUIDv7: its order is the order of creation."""
    return drawn(uuid_utils.compat.uuid7)


class Ids:
    """The ids of one sort of thing; also a Django path converter (``<ord:order_id>``)."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.regex = f"{prefix}_[0-7][{ALPHABET}]{{25}}"

    def text(self, value: UUID) -> str:
        """``value`` as clients see it."""
        number, characters = value.int, []
        for _ in range(LENGTH):
            characters.append(ALPHABET[number & 31])
            number >>= 5
        return f"{self.prefix}_{''.join(reversed(characters))}"

    def parse(self, text: str) -> UUID:
        """The UUID in ``text``. Raises ``ValueError`` when it is not one of these ids."""
        head, _, tail = text.rpartition("_")
        if head != self.prefix or len(tail) != LENGTH or tail[0] > "7":
            raise ValueError(f"{text!r} is not an id that starts with {self.prefix}_")
        number = 0
        for character in tail:
            if character not in _VALUES:
                raise ValueError(f"{text!r} is not an id: {character!r} cannot stand in it")
            number = number << 5 | _VALUES[character]
        return UUID(int=number)


_known: dict[str, Ids] = {}


def ids(prefix: str) -> Ids:
    """The ids with ``prefix``, known to Django's paths as ``<prefix:name>`` from now on."""
    if prefix not in _known:
        kind = Ids(prefix)
        _known[prefix] = kind

        class Converter:
            regex = kind.regex

            def to_python(self, value: str) -> UUID:
                return kind.parse(value)

            def to_url(self, value: UUID | str) -> str:
                return value if isinstance(value, str) else kind.text(value)

        register_converter(Converter, prefix)
    return _known[prefix]
