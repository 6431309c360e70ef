"""What a dead controller leaves half done, and a front door misses, is put right by a watch."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import structlog
from django.db import Error as DatabaseFault

from modules.extraction import standings
from modules.extraction.controlling import holder
from modules.extraction.errors import ControllerBusy
from modules.extraction.healing import doctor
from modules.extraction.models import Step
from modules.extraction.protocol import ProtocolError
from modules.extraction.routing.late import late_doors
from modules.extraction.steps import Ask

DOORS = 5.0  # seconds between two looks at the front doors, as placing has it
log = structlog.get_logger(__name__)


def mend(module: str) -> str:
    """Finish, or take back, what nobody ends any more; why it could not be, in one line.

    Nothing where no step is open, or its controller lives. What is away then comes back.
    """
    if not Step.objects.filter(module=module, ended_at=None).exists() or holder(module):
        return ""
    return _healed(module, "its controller is gone")


class Mender:
    """``turn`` at each look of a watch. For one thread.

    Besides it looks at the front doors now and then: one that was away at a swap is told when it
    is back. One that holds commands, and nothing else, is left alone: somebody may want it so.
    """

    def __init__(self, module: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._module, self._clock = module, clock
        self._doors_at = clock()
        self._said = ""

    def turn(self) -> None:
        why = mend(self._module)
        if self._clock() >= self._doors_at:
            self._doors_at = self._clock() + DOORS
            why = why or self._doors_told()
        if why and why != self._said:  # once: it is tried again at every look
            log.warning("extraction.not_mended", module=self._module, error=why)
        self._said = why

    def _doors_told(self) -> str:
        standing = standings.standing_of(self._module)
        wrong = any(one.is_wrong for one in late_doors(self._module, standing))
        # During a swap they change one after the other: that is its controller's matter.
        return _healed(self._module, "a front door was late") if wrong and self._is_idle() else ""

    def _is_idle(self) -> bool:
        return holder(self._module) is None


def _healed(module: str, reason: str) -> str:
    try:
        examined = doctor(Ask(module=module, reason=reason))
    # Somebody was faster; a side is away; what is half done waits for a person.
    except (ControllerBusy, ProtocolError, psycopg.Error, DatabaseFault) as error:
        return str(error).strip().partition("\n")[0]
    if examined.faults:
        facts = [fault.fact for fault in examined.faults]
        log.warning("extraction.mended", module=module, faults=facts, left=list(examined.left))
    return ""
