"""``doctor``: where everything stands by the word of the two databases, and what is half done.

The databases are right. What this host has written down, the front doors, and what a dead process
has left are brought in line with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import psycopg
from django.db.models.functions import Now

from modules.extraction import standings, targets
from modules.extraction.auditing import Outcome, recorded
from modules.extraction.controlling import controlling, holder
from modules.extraction.creating import undo
from modules.extraction.models import Step
from modules.extraction.moves import move_of
from modules.extraction.phases import SERVICE_OWNS, Phase, Standing
from modules.extraction.protocol import Move, State, heal, install
from modules.extraction.protocol.healing import look
from modules.extraction.protocol.owning import read_ownership
from modules.extraction.protocol.sides import SERVICE, connect
from modules.extraction.retiring.leavings import (
    buried_in,
    finish,
    forget_unfinished,
    has_capture,
    unfinished,
)
from modules.extraction.retiring.tombstones import Tombstone
from modules.extraction.routing.doors import Door, DoorAway, front_doors
from modules.extraction.routing.switching import told
from modules.extraction.routing.watching import tell
from modules.extraction.steps import Ask

AT_REST = frozenset({State.MONOLITH, State.SERVICE, State.NOT_INSTALLED})
IN_WORK = frozenset({State.CUTTING_OVER, State.ROLLING_BACK})  # by a controller that lives


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is not as it should be, and what is done about it."""

    fact: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """``found`` is what the two databases say. ``cured`` tells whether the faults are gone."""

    module: str
    found: str
    phase: str
    epoch: int
    faults: tuple[Fault, ...]
    cured: bool

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
        found = list(_faults(ask))
        if found:
            facts = {"faults": [fault.fact for fault, _ in found]}
            with recorded(ask.module, "doctor", reason=ask.reason, facts=facts):
                for _, cure in found:
                    cure()
        return _examined(ask.module, [fault for fault, _ in found], cured=True)


def _examined(module: str, faults: list[Fault], *, cured: bool) -> Examined:
    standing = standings.standing_of(module)
    return Examined(
        module=module,
        found=_state_of(module).value,
        phase=standing.phase.value,
        epoch=standing.epoch,
        faults=tuple(faults),
        cured=cured,
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
    yield from _of_installation(ask, state)
    yield from _of_record(ask)
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
    if target is None:
        return
    is_begun = standings.standing_of(module).phase is not Phase.MONOLITH
    if not is_begun:
        fact = f"something of the service's database is there ({target.place}), and no step says so"
        yield Fault(fact=fact, cure="remove it"), lambda: undo(module, target)
    elif state in (State.HALF_INSTALLED, State.NOT_INSTALLED):
        fault = Fault(fact=f"the databases say: {state}", cure="install what is missing")
        yield fault, lambda: install(move_of(module))


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


def _of_doors(module: str) -> Iterator[tuple[Fault, Cure]]:
    standing = _said(module, None) or standings.standing_of(module)
    wanted = standing.phase in SERVICE_OWNS
    with front_doors() as doors:
        for door in doors:
            fact = _door_trouble(door, module, wanted)
            if fact:
                yield (
                    Fault(fact=f"front door {door.url} {fact}", cure="tell it"),
                    lambda: _tell_doors(module),
                )


def _door_trouble(door: Door, module: str, is_services: bool) -> str:
    try:
        found = door.capability(module)
    except DoorAway as error:
        return f"is away ({error})" if is_services else ""
    sends_there = found.get("phase") in {"extracted", "retired"}
    if sends_there is not is_services:
        return f"has {module} as {found.get('phase', 'monolith')}"
    return "holds its commands" if found.get("held") else ""


def _tell_doors(module: str) -> None:
    standing = standings.standing_of(module)
    with front_doors() as doors:
        is_services = standing.phase in SERVICE_OWNS
        for door in doors:
            if is_services:
                door.hold(module)  # names the instances with a database of their own
        told(doors, module, standing.epoch, to_service=is_services)


def _of_steps(ask: Ask) -> Iterator[tuple[Fault, Cure]]:
    """Steps that nobody ends any more: their controller is gone."""
    at_it = holder(ask.module)
    if at_it is not None and at_it.verb != "doctor":
        return
    for step in Step.objects.filter(module=ask.module, ended_at=None):
        fact = f"step {step.pk} ({step.verb} by {step.actor}) was never ended"
        yield Fault(fact=fact, cure="end it on record"), partial(_end, step.pk)


def _end(step: int) -> None:
    Step.objects.filter(pk=step, ended_at=None).update(
        ended_at=Now(), outcome=Outcome.FAILED.value, detail="its process ended before it did"
    )


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
            if "does not exist" in str(error):  # create was killed before it made it
                return State.NOT_INSTALLED
            raise
        return look(move, source, target).state
