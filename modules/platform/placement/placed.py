"""Where a module's work is done: the answer that every part of a host goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """``percent`` of a module's work is the service's: 0 is all here, 100 all there.

    ``revision`` grows with every change of any module's; 0 for one that was never placed.
    """

    percent: int = 0
    revision: int = 0


HERE = Placed()
Placements = Mapping[str, Placed]
