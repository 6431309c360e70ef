"""Partitions are made ahead while a module moves: on both sides, or rows could not be brought.

Whoever has the authority makes them for itself; the other side follows here. None is dropped
meanwhile: the data half pins them.
"""

from __future__ import annotations

from modules.extraction import structure
from modules.extraction.phases import Direction, Standing
from modules.extraction.protocol import Move, cover


def leveled(move: Move, standing: Standing) -> int:
    """Give the side that follows the partitions of the other; how many were made or dropped.

    New ones get their guards on both sides. Raises psycopg's errors, and CaptureAway.
    """
    sides = (move.source, move.target)
    leads, follows = sides if standing.direction is Direction.TO_SERVICE else sides[::-1]
    changed = structure.level(leads, follows)
    if changed:
        cover(move)
    return changed
