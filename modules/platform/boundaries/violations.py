"""What a check answers with: facts, each with its place and a way out. Rendering is apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Violation:
    """One broken rule.

    ``path`` is relative to the project's root ("" when the fact has no file); ``line`` counts
    from 1 (0 when unknown). ``fact`` says what is, ``way_out`` what to do about it.
    """

    path: str
    line: int
    rule: str
    fact: str
    way_out: str

    @property
    def place(self) -> str:
        """``modules/cart/service.py:12``, or the path alone, or "" when there is none."""
        return f"{self.path}:{self.line}" if self.line else self.path


class BoundaryViolation(Exception):
    """A boundary was crossed; the message gives the fact and the way out."""


def in_order(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """Each violation once, by place and rule."""
    return tuple(sorted(set(violations)))
