"""What a variable's value may be, beyond what the language's own types say."""

from __future__ import annotations

from typing import Self

_PORTS = 65_535
_CODE_LETTERS = 3


class Whole(int):
    """A number from 0 on. Raises ValueError for others."""

    least = 0

    def __new__(cls, text: str | int) -> Self:
        made = super().__new__(cls, text)
        if made < cls.least:
            raise ValueError(f"{made} is less than {cls.least}")
        return made


class Count(Whole):
    """A number from 1 on: none of it would be nothing at all. Raises ValueError for others."""

    least = 1


class Currency(str):
    """Three capital letters, as ISO 4217 has them. Raises ValueError for others."""

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        if len(text) != _CODE_LETTERS or not (text.isascii() and text.isalpha() and text.isupper()):
            raise ValueError(f"{text!r} is no currency's code")
        return super().__new__(cls, text)


class Port(Whole):
    """A port that can be listened on, 1 to 65535. Raises ValueError for others."""

    least = 1

    def __new__(cls, text: str | int) -> Self:
        made = super().__new__(cls, text)
        if made > _PORTS:
            raise ValueError(f"{made} is more than {_PORTS}")
        return made


class PortOrNone(Port):
    """A port, or 0 for none. Raises ValueError for others."""

    least = 0
