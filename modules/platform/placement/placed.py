"""Where a module's work is done: the answer that every part of a host goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """``percent`` of a module's work is the service's: 0 is all here, 100 all there.

    ``revision`` grows with every change of any module's; 0 for one that was never placed.
    ``attended``: the service's workers take what the bus gives them, as far as anybody has asked.
    """

    percent: int = 0
    revision: int = 0
    attended: bool = True


HERE = Placed()
Placements = Mapping[str, Placed]
