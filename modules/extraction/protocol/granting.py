"""Tells the service's database who has the module, once that is decided.

The last changes of a cutover are committed in the target after the commit point, together with the
word that opens it. If its server or the controller is lost in between, they are missing, or are
forgotten with the word: the target then refuses to open (``learn``), and they are brought again,
from the source's log.
"""

from __future__ import annotations

import time

from modules.extraction.protocol.controlling import call
from modules.extraction.protocol.draining import drain
from modules.extraction.protocol.errors import NotYetGranted, ProtocolError
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, Connection, Direction, Move
from modules.extraction.protocol.streams import Stream

AGAIN = 5.0  # seconds to bring again what is missing


def grant(move: Move, target: Connection, *, epoch: int, marker: int) -> bool:
    """Open the service at ``epoch``, with all up to ``marker``; whether something had to be
    brought again.

    Raises NotYetGranted when that cannot be done now, ``psycopg.Error`` when a side is away.
    """
    if _opened(move, target, epoch, marker):
        return False
    try:
        with Stream(move, Direction.FORWARD) as stream:
            drain(stream, marker, until=time.monotonic() + AGAIN)
    except ProtocolError as error:
        raise NotYetGranted(move.module, epoch) from error
    if not _opened(move, target, epoch, marker):
        raise NotYetGranted(move.module, epoch)
    return True


def tell(move: Move, target: Connection, owner: str, epoch: int) -> None:
    """Tell the service's database who has the module. That it has it, where it had it before:
    ``grant`` says so for the first time.
    """
    call(target, move.target, "learn", owner, epoch, None)


def _opened(move: Move, target: Connection, epoch: int, marker: int) -> bool:
    if call(target, move.target, "learn", SERVICE, epoch, marker)[0]:
        return True
    has = read_ownership(target, move.target)  # told before, or later news
    return has.owner == SERVICE or has.epoch > epoch
