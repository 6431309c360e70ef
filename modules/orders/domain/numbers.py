"""Order numbers: short enough to read over the phone, and nobody can count the shop's orders."""

from __future__ import annotations

import re
from collections.abc import Callable

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0/O, 1/I/L, no U
LENGTH = 10  # 30^10 = 5.9e14: the chance that one of a million orders collides is 1 in 1,180
PATTERN = re.compile(rf"^FC-[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}$")


def new_number(choose: Callable[[str], str]) -> str:
    """A number such as ``FC-7K3M9-QX24T``; ``choose`` picks one character at random.

    A collision is refused by the table's unique constraint, and the step is tried again.
    """
    letters = "".join(choose(ALPHABET) for _ in range(LENGTH))
    return f"FC-{letters[:5]}-{letters[5:]}"


def looks_like_number(text: str) -> bool:
    """Whether somebody typed an order number."""
    return bool(PATTERN.match(text.strip().upper()))
