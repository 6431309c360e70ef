"""``doctor``: where everything stands by the word of the two databases, and what is half done.

The databases are right. What this host has written down, the front doors, the receipts, and what a
dead process has left are brought in line with them. A front door that is away keeps nothing from
being healed: it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
import structlog
from django.db.models.functions import Now

from modules.extraction import epochs, standings, targets
from modules.extraction.actors import acting
from modules.extraction.auditing import Outcome, recorded
from modules.extraction.controlling import controlling, holder
from modules.extraction.creating import go_on_cancelling, undo, was_cancelling
from modules.extraction.models import Receipt, Step
from modules.extraction.moves import move_of
from modules.extraction.owed import KINDS, owed, settle
from modules.extraction.phases import SERVICE_OWNS, Phase, Standing
from modules.extraction.protocol import Move, State, heal, install
from modules.extraction.protocol.healing import look
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, connect, is_missing
from modules.extraction.protocol.wholeness import is_installed, is_whole
from modules.extraction.retiring.leavings import (
    buried_in,
    finish,
    forget_unfinished,
    has_capture,
    unfinished,
)
from modules.extraction.retiring.tombstones import Tombstone
from modules.extraction.routing.doors import DoorAway
from modules.extraction.routing.late import late_doors, tell_door
from modules.extraction.routing.watching import tell
from modules.extraction.steps import Ask

log = structlog.get_logger(__name__)

NOBODY_ENDED_IT = "its process ended before it did"
AT_REST = frozenset({State.MONOLITH, State.SERVICE, State.NOT_INSTALLED})
# Where taking the extraction out, or beginning it anew, takes nothing from the service.
WITHOUT_SERVICE = frozenset({State.MONOLITH, State.HALF_INSTALLED, State.NOT_INSTALLED})
IN_WORK = frozenset({State.CUTTING_OVER, State.ROLLING_BACK})  # by a controller that lives


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it should be, and what is done about it."""

    fact: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """``found`` is what the two databases say. ``cured`` tells whether the faults are gone;
    ``left`` are the facts of those that could not be cured now.
    """

    module: str
    found: str
    phase: str
    epoch: int
    faults: tuple[Fault, ...]
    cured: bool
    left: tuple[str, ...] = ()

    @property
    def has_differences(self) -> bool:
        """Whether something is still wrong."""
        return bool(self.faults) and not self.cured


Cure = Callable[[], object]


def doctor(ask: Ask) -> Examined:
    """Look, and unless ``dry_run`` heal. Raises ControllerBusy while somebody is at it, and
    psycopg's errors when a side is away: what cannot be known is not touched.
    """
    ask.check()
    if ask.dry_run:
        faults = [fault for fault, _ in _faults(ask)]
        return _examined(ask.module, faults, cured=False)
    with controlling(ask.module, "doctor"):
        found, left = list(_faults(ask)), list[str]()
        if found:
            facts = {"faults": [fault.fact for fault, _ in found]}
            with recorded(ask.module, "doctor", reason=ask.reason, facts=facts) as step:
                left = _left(found)
                if left:
                    step.outcome, step.detail = Outcome.DIFFERENCES, "; ".join(left)
        return _examined(ask.module, [fault for fault, _ in found], cured=not left, left=left)


def _left(found: Iterable[tuple[Fault, Cure]]) -> list[str]:
    """Cure what can be cured; the facts of the rest: of front doors that are away."""
    left = []
    for fault, cure in found:
        try:
            cure()
        except DoorAway as error:
            log.warning("extraction.door_late", trouble=str(error))
            left.append(fault.fact)
    return left


def _examined(
    module: str, faults: list[Fault], *, cured: bool, left: Iterable[str] = ()
) -> Examined:
    standing = standings.standing_of(module)
    return Examined(
        module=module,
        found=_state_of(module).value,
        phase=standing.phase.value,
        epoch=standing.epoch,
        faults=tuple(faults),
        cured=cured,
        left=tuple(left),
    )


def _faults(ask: Ask) -> Iterator[tuple[Fault, Cure]]:
    """In the order in which they are cured: each sees what the one before it has done."""
    module, state = ask.module, _state_of(ask.module)
    stone = buried_in(module)
    if stone is not None:
        yield from _of_retirement(ask, stone)
        yield from _of_doors(module)
        yield from _of_steps(ask)
        return
    if state not in AT_REST | IN_WORK and state is not State.HALF_INSTALLED:
        fact = f"the databases say: {state}"
        yield Fault(fact=fact, cure="finish it, or take it back"), lambda: heal(move_of(module))
    yield from _of_record(ask)
    yield from _of_receipts(module)
    yield from _of_installation(ask, state)
    yield from _of_doors(module)
    yield from _of_steps(ask)
    yield from _of_archives(ask)


def _of_retirement(ask: Ask, stone: Tombstone) -> Iterator[tuple[Fault, Cure]]:
    """The monolith's copy is gone; then the rest must follow, whoever does it."""
    module, standing = ask.module, standings.standing_of(ask.module)
    wanted = replace(standing, phase=Phase.RETIRED, percent=100, epoch=stone.epoch, paused=False)
    if has_capture(module):
        fact = "the monolith's copy is dropped, and the service's database has its capture still"
        yield Fault(fact=fact, cure="take it out"), lambda: finish(module)
    if standing != wanted:
        fact = f"written down is {standing.phase}; the monolith's database says retired"

        def write() -> None:
            standings.put(module, wanted, reason=ask.reason)
            tell(module)

        yield Fault(fact=fact, cure="write down what is so"), write


def _of_archives(ask: Ask) -> Iterator[tuple[Fault, Cure]]:
    """What a retirement leaves that was killed before anything was dropped."""
    at_it = holder(ask.module)
    left = unfinished(ask.module)
    if left and (at_it is None or at_it.verb == "doctor"):
        fact = f"{len(left)} archives that nobody has signed; nothing was dropped"
        yield Fault(fact=fact, cure="remove them"), lambda: forget_unfinished(ask.module)


def _of_installation(ask: Ask, state: State) -> Iterator[tuple[Fault, Cure]]:
    module, target = ask.module, targets.known(ask.module)
    if target is None or state not in WITHOUT_SERVICE:
        return
    if standings.standing_of(module).phase is Phase.MONOLITH:
        fact = f"something of the service's database is there ({target.place}), and no step says so"
        yield Fault(fact=fact, cure="remove it"), lambda: undo(module, target)
    elif state is not State.MONOLITH and was_cancelling(module):
        fact = f"the databases say: {state}; cancel has not come to its end"
        cure = partial(go_on_cancelling, module, reason=ask.reason)
        yield Fault(fact=fact, cure="go on removing"), cure
    elif state is not State.MONOLITH:
        fault = Fault(fact=f"the databases say: {state}", cure="install, and begin the copy anew")
        yield fault, lambda: install(move_of(module), epoch=epochs.highest(module))


def _of_record(ask: Ask) -> Iterator[tuple[Fault, Cure]]:
    standing, said = standings.standing_of(ask.module), _said(ask.module, None)
    if said is not None and said != standing:
        fact = (
            f"written down is {standing.phase}, epoch {standing.epoch}; the databases say "
            f"{said.phase}, epoch {said.epoch}"
        )
        yield Fault(fact=fact, cure="write down what is so"), lambda: _write(ask)


def _said(module: str, standing: Standing | None) -> Standing | None:
    """The standing as the source's word makes it; None where there is none."""
    known = standing or standings.standing_of(module)
    if targets.known(module) is None:
        return None if known.phase is Phase.MONOLITH else Standing(epoch=known.epoch)
    move = move_of(module)
    with connect(move.source, purpose="doctor") as source:
        try:
            has = read_ownership(source, move.source)
        except Exception:
            return None
    phase = known.phase
    if has.owner == SERVICE:
        phase = Phase.EXTRACTED  # retired it would not be asked: nothing of it is there then
    elif phase in SERVICE_OWNS:
        phase = Phase.SHADOW
    share = 100 if phase in SERVICE_OWNS else known.percent if phase is Phase.CANARY else 0
    # A fence counts as an epoch in the databases; authority does not change with it.
    epoch = max(has.epoch, known.epoch) if phase is not known.phase else known.epoch
    return replace(known, phase=phase, percent=share, epoch=epoch)


def _write(ask: Ask) -> None:
    said = _said(ask.module, None)
    if said is not None:
        standings.put(ask.module, said, reason=ask.reason)
        tell(ask.module)


def _of_receipts(module: str) -> Iterator[tuple[Fault, Cure]]:
    """A controller that died after the commit point has written none."""
    if targets.known(module) is None:
        return
    change = owed(module)
    if change is not None:
        fact = f"the {change.kind} of epoch {change.epoch} has no receipt"
        yield Fault(fact=fact, cure="write it"), lambda: settle(module)


def _of_doors(module: str) -> Iterator[tuple[Fault, Cure]]:
    standing = _said(module, None) or standings.standing_of(module)
    for one in late_doors(module, standing):
        fact = f"front door {one.url} {one.trouble}"
        yield Fault(fact=fact, cure="tell it"), partial(tell_door, one.url, module)


def _of_steps(ask: Ask) -> Iterator[tuple[Fault, Cure]]:
    """Steps that nobody ends any more: their controller is gone."""
    at_it = holder(ask.module)
    if at_it is not None and at_it.verb != "doctor":
        return
    for step in Step.objects.filter(module=ask.module, ended_at=None):
        fact = f"step {step.pk} ({step.verb} by {step.actor}) was never ended"
        yield Fault(fact=fact, cure="end it on record"), partial(_end, step.pk)


def _end(step: int) -> None:
    """A swap whose receipt is there is done, whoever has finished it."""
    receipt = Receipt.objects.filter(step=step, kind__in=KINDS).first()
    said: dict[str, Any] = {"outcome": Outcome.FAILED.value, "detail": NOBODY_ENDED_IT}
    if receipt is not None:
        detail = f"rolled forward by {acting()}: receipt {receipt.pk}, epoch {receipt.epoch}"
        facts = {**receipt.step.facts, "receipt": receipt.pk, "epoch": receipt.epoch}
        said = {"outcome": Outcome.DONE.value, "detail": detail, "facts": facts}
    Step.objects.filter(pk=step, ended_at=None).update(ended_at=Now(), **said)


def _state_of(module: str) -> State:
    if targets.known(module) is None:
        return State.NOT_INSTALLED
    move = move_of(module)
    return looked(move)


def looked(move: Move) -> State:
    """What both databases say of ``move``. Raises ``psycopg.OperationalError`` when one is away."""
    with ExitStack() as stack:
        source = stack.enter_context(connect(move.source, purpose="doctor"))
        try:
            target = stack.enter_context(connect(move.target, purpose="doctor"))
        except psycopg.OperationalError as error:
            if not is_missing(error):
                raise
            # Before create has made it, or since somebody has dropped it.
            is_there = is_installed(source, move.source)
            return State.HALF_INSTALLED if is_there else State.NOT_INSTALLED
        state = look(move, source, target).state
        is_torn = state is State.MONOLITH and not is_whole(move, source, target)
        return State.HALF_INSTALLED if is_torn else state
