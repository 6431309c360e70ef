"""What is wrong with a value or a message; the message names the field.

CodecError (not what the contract says)
├── Unwritable      on the way out
└── Unreadable      on the way in
"""

from __future__ import annotations

from modules.platform.contracts.codec import CodecError


class _AtField(CodecError):
    """``place`` is like ``command.amount.currency``."""

    def __init__(self, fact: str, place: tuple[str, ...] = ()) -> None:
        self.fact, self.place = fact, place
        super().__init__(f"{'.'.join(place)} {fact}" if place else fact)


class Unwritable(_AtField):
    """A value that its field cannot hold."""

    def under(self, name: str) -> Unwritable:
        """The same, seen from one level above."""
        return Unwritable(self.fact, (name, *self.place))


class Unreadable(_AtField):
    """A message that lacks a field, or has what the contract does not know."""

    def under(self, name: str) -> Unreadable:
        """The same, seen from one level above."""
        return Unreadable(self.fact, (name, *self.place))
